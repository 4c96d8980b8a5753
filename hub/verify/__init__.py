"""Does the store hold what really happened? The truth of a simulator against what the hub kept."""
