#!/usr/bin/env bash
# COCO keypoints read and written again by sleap-io.
# Expected: a joint that was annotated as hidden (v = 1) stays hidden, and box and area of the person stay as they were.
# Happens:  the hidden joint comes back as seen (v = 2); the box shrinks to the joints and the area is that box's. Training
#           on what comes back weighs hidden joints like seen ones, and OKS, which divides by the area, gets stricter: here
#           the area falls from 400 to 100, so the same error counts as twice as large.
# Versions: sleap-io 0.9.5, numpy 1.26.4, Python 3.11; seen 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check sleap-io==0.9.5 numpy==1.26.4 pillow
cd "$folder"
cat > look.py <<'PY'
import json
from pathlib import Path

import sleap_io
from PIL import Image

Image.new("RGB", (64, 48)).save("a.png")
person = {
    "id": 1, "image_id": 1, "category_id": 1, "keypoints": [10, 10, 2, 20, 20, 1], "num_keypoints": 2,
    "bbox": [5, 5, 30, 30], "area": 400.0, "iscrowd": 0,
}
content = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_wrist"], "skeleton": [[1, 2]]}],
    "annotations": [person],
}
Path("given.json").write_text(json.dumps(content))
sleap_io.save_coco(sleap_io.load_coco("given.json"), "back.json")
for name in ("given.json", "back.json"):
    (one,) = json.loads(Path(name).read_text())["annotations"]
    print(name, [float(x) for x in one["keypoints"]], [float(x) for x in one["bbox"]], one["area"])
PY
"$folder/venv/bin/python" look.py 2> errors.txt | tee seen.txt
diff - seen.txt <<'SEEN'
given.json [10.0, 10.0, 2.0, 20.0, 20.0, 1.0] [5.0, 5.0, 30.0, 30.0] 400.0
back.json [10.0, 10.0, 2.0, 20.0, 20.0, 2.0] [10.0, 10.0, 10.0, 10.0] 100.0
SEEN
