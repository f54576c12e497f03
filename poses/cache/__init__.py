"""The keypoint cache and the feature cache: format, writers, readers, checks."""
