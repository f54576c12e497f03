"""Weights files: where they come from, checked, and read as data."""
