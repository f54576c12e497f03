"""Distances, clip scorers, alignment and metrics: pure torch, no Lightning."""

from scoring.metrics import fisher_mean, relative_l2, spearman

__all__ = ["fisher_mean", "relative_l2", "spearman"]
