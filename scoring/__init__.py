"""Distances, clip scorers, alignment and metrics: pure torch, no Lightning."""
