"""From photographs and videos to keypoints: reading, detection, pose estimation, tracking, extraction."""

import sys

# Without this package OpenVINO tells nobody of what it converts; it forks the process for each of some twenty messages.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
