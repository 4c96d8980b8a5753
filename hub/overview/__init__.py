"""The manager's overview: a few figures of every room, each with where to look closer."""
