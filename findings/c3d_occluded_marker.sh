#!/usr/bin/env bash
# C3D: an occluded marker, read by two libraries from the same bytes.
# Expected: both say that the marker was not seen, in one way that code can test for (C3D's manual: a residual of -1).
# Happens:  ezc3d gives NaN coordinates with a residual of 0, c3d gives the place (0, 0, 0) with a residual of -1. Who tests
#           the residual takes ezc3d's gap for a seen marker; who tests for NaN takes c3d's gap for a marker at the origin.
# Versions: ezc3d 1.7.2, c3d 0.6.0, numpy 1.26.4, Python 3.11; seen 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check ezc3d==1.7.2 c3d==0.6.0 numpy==1.26.4
cd "$folder"
cat > look.py <<'PY'
import warnings

import c3d
import ezc3d
import numpy as np

warnings.simplefilter("ignore")  # that there is no analog data
file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [100]
file["parameters"]["POINT"]["LABELS"]["value"] = ("KNEE",)
points = np.ones((4, 1, 3))
points[:3, 0] = [[1000, np.nan, 1002], [200, np.nan, 202], [500, np.nan, 502]]  # mm; not seen in the second frame
file["data"]["points"] = points
file.write("knee.c3d")

read = ezc3d.c3d("knee.c3d")["data"]
print("ezc3d:", read["points"][:3, 0, 1], "residual", read["meta_points"]["residuals"][0, 0, 1])
with open("knee.c3d", "rb") as handle:
    second = [frame for _, frame, _ in c3d.Reader(handle).read_frames()][1][0]
print("c3d:  ", second[:3], "residual", second[3])
PY
"$folder/venv/bin/python" look.py | tee seen.txt
diff - seen.txt <<'SEEN'
ezc3d: [nan nan nan] residual 0.0
c3d:   [0. 0. 0.] residual -1.0
SEEN
