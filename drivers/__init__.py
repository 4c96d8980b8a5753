"""One room per protocol; the only home of its protocol library."""
