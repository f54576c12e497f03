"""Pose estimators, one file each; see `keypoints.types.Estimator`."""
