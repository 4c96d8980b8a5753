"""The rules engine: pure decisions over events."""
