"""One batch, one transaction: parse, deduplicate, evaluate, commit, acknowledge, publish."""
