"""Analyses that run by themselves over stored hours, and tell the rules what they found."""
