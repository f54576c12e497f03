"""From photographs and videos to keypoints: reading, detection, pose estimation, tracking, extraction."""
