"""Pose estimators, one file each; see `extraction.types.Estimator`."""
