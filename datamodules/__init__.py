"""Datasets, and the pairs, exemplars and splits that are drawn from them."""
