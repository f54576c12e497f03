"""Person detectors, one file each; see `extraction.types.Detector`."""
