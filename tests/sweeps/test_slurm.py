"""The batch script for SLURM, run by bash with two tasks on this machine in place of a cluster's."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from tests.conftest import REPO
from tests.test_resume import rows

SCRIPT = REPO / "sweeps" / "slurm.sh"
STEPS = 150
OPTIONS = shlex.split(f"""
    --config demo.yaml --data.clips 48 --data.pairs.pairs_per_epoch 320 --data.batch_size 16
    --trainer.max_epochs {STEPS // 10} --trainer.log_every_n_steps 1 --trainer.accelerator cpu
    --trainer.enable_progress_bar false --trainer.enable_model_summary false
""")
# What the cluster's own commands do, as far as the script asks: start a task per rank; end the tasks and say so.
SRUN = """#!/usr/bin/env bash
[ "$1" = --kill-on-bad-exit=1 ] && shift || exit 3
for rank in 0 1; do
  SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_NODEID=0 "$@" &
  tasks+=($!)
done
echo "${tasks[@]}" > tasks
code=0
for task in "${tasks[@]}"; do wait "$task" || code=$?; done
exit $code
"""
SCONTROL = """#!/usr/bin/env bash
echo "$@" >> scontrol.log
kill -KILL $(cat tasks)
"""


def submit(folder: Path) -> subprocess.Popen[str]:
    """Run the script as `sbatch` does: a copy of it, elsewhere, with the job's variables."""
    cluster = folder / "cluster"
    cluster.mkdir(exist_ok=True)
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "slurm_script": SCRIPT.read_text()}.items():
        (cluster / name).write_text(text)
        (cluster / name).chmod(0o755)
    tasks = {"SLURM_JOB_NUM_NODES": "1", "SLURM_NNODES": "1", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NAME": "gcn-psn", "SLURM_NODELIST": "localhost"}
    return subprocess.Popen(
        [cluster / "slurm_script", *OPTIONS],
        cwd=cluster,
        env={
            **os.environ, **tasks, **job, "SLURM_SUBMIT_DIR": str(folder), "PYTHON": sys.executable,
            "PATH": f"{cluster}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_bash_accepts_it_and_slurm_finds_its_options() -> None:
    done = subprocess.run(["bash", "-n", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = SCRIPT.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    asked = [number for number, line in enumerate(lines) if line.startswith("#SBATCH --")]
    assert len(asked) > 5
    assert max(asked) < first  # sbatch stops looking at the first command
    assert os.access(SCRIPT, os.X_OK)


def test_a_job_whose_time_is_up_is_requeued_and_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "run.py").symlink_to(REPO / "run.py")
    run = tmp_path / "runs" / "slurm" / str(os.getpid())
    last = run / "checkpoints" / "last.ckpt"
    job = submit(tmp_path)
    while not last.exists() and job.poll() is None:
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)  # to the script alone
    out, err = job.communicate(timeout=400)
    assert f"goes on from runs/slurm/{run.name}/checkpoints/last.ckpt" in out, err[-2000:]
    assert (tmp_path / "scontrol.log").read_text() == f"requeue {run.name}\n"
    begun = torch.load(last, weights_only=True)["global_step"]
    assert 0 < begun < STEPS

    job = submit(tmp_path)
    out, err = job.communicate(timeout=400)
    assert job.returncode == 0, err[-2000:]
    assert torch.load(last, weights_only=True)["global_step"] == STEPS
    assert [row["step"] for row in rows(run) if row["train/loss"]] == [str(step) for step in range(STEPS)]
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert not list(tmp_path.glob("*.ckpt"))  # Lightning's own way of requeueing would leave them here


def test_a_task_that_fails_fails_the_job(tmp_path: Path) -> None:
    job = submit(tmp_path)  # there is no run.py here
    out, _ = job.communicate(timeout=60)
    assert job.returncode == 2
    assert f"ended with code 2; scontrol requeue {os.getpid()}" in out
