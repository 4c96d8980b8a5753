"""Vertical slices of property management. They never import each other."""
