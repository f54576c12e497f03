"""Sweeps: the search for good options."""
