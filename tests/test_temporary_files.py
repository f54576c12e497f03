"""What processes leave in the temporary folder, where it would pile up."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from tests.commands.sweeps import SWEEP
from tests.conftest import REPO

OPTIONS = shlex.split("""
    --data.clips 48 --data.pairs.pairs_per_epoch 160 --data.batch_size 16 --trainer.max_epochs 1
    --trainer.accelerator cpu
""")
COMMANDS = "import run, shlex, sys\nfor words in sys.argv[1:]:\n    assert run.main(shlex.split(words)) == 0, words"


def test_fit_export_and_sweep_leave_nothing(tmp_path: Path) -> None:
    temporary, root = tmp_path / "temporary", f"--data.root={tmp_path / 'demo'}"
    temporary.mkdir()
    grid = {"method": "grid", "parameters": {"seed_everything": {"values": [0, 1]}}}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP | grid))
    fit = ["fit", "--config=demo.yaml", *OPTIONS, root, f"--trainer.logger.folder={tmp_path / 'run'}"]
    export = ["export", str(tmp_path / "run/checkpoints/best.ckpt"), f"--output={tmp_path / 'encoder.onnx'}"]
    sweep = ["sweep", f"--config={tmp_path / 'sweep.yaml'}", f"--output={tmp_path / 'out'}", *OPTIONS, root]
    subprocess.run(
        [sys.executable, "-c", COMMANDS, *map(shlex.join, (fit, export, sweep))],
        cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO), "TMPDIR": str(temporary)}, check=True, timeout=600,
    )  # fmt: skip
    assert (tmp_path / "encoder.onnx").is_file()
    assert (tmp_path / "out" / "sweep.json").is_file()
    # torch makes this folder for its compiler when Lightning is imported, once for all processes, and puts nothing in
    left = [path for path in temporary.rglob("*") if not path.name.startswith("torchinductor_")]
    assert not left
