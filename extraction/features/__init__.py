"""From videos to clip features: a pretrained network looks at windows of frames."""
