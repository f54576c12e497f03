"""Datasets, the keypoint cache, the skeleton and the pairs that train on them."""
