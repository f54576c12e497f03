"""Ablations: named variants over seeds and folds."""
