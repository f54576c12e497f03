"""Person detectors, one file each; see `keypoints.types.Detector`."""
