#!/usr/bin/env bash
# A W&B sweep file for margin and learning rate, searched by W&B's own engine without an account.
# Expected: `values: [1e-5, 1.0e-4]` are two numbers, and `{min: 0, max: 1}` of a margin is a range of real numbers.
# Happens:  1e-5 is text (YAML 1.1 wants a dot in a float, and the engine does not ask), so a training script gets a string;
#           whole-number ends make the range one of whole numbers: every margin that is tried is exactly 0 or 1.
# Write 1.0e-5, and {min: 0.0, max: 1.0}.
# Versions: sweeps 0.3.0, PyYAML 6.0.3, Python 3.11; seen 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check sweeps==0.3.0 PyYAML==6.0.3
cd "$folder"
cat > look.py <<'PY'
import yaml
from sweeps import next_run

grid = yaml.safe_load("method: grid\nparameters: {lr: {values: [1e-5, 1.0e-4]}}")
print("first lr:", repr(next_run(grid, []).config["lr"]["value"]))
for ends in ("{min: 0, max: 1}", "{min: 0.0, max: 1.0}"):
    random = yaml.safe_load(f"method: random\nparameters: {{margin: {ends}}}")
    drawn = {next_run(random, []).config["margin"]["value"] for _ in range(100)}
    print(ends, "draws", sorted(drawn) if len(drawn) < 3 else f"{len(drawn)} different numbers")
PY
"$folder/venv/bin/python" look.py 2> errors.txt | tee seen.txt
diff - seen.txt <<'SEEN'
first lr: '1e-5'
{min: 0, max: 1} draws [0, 1]
{min: 0.0, max: 1.0} draws 100 different numbers
SEEN
