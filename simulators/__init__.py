"""The whole community with known truth: the same profiles seen from the other side of the wire."""
