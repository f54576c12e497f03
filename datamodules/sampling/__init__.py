"""What an epoch is made of: pairs, exemplars, splits, and the loaders that deal them out."""
