#!/usr/bin/env bash
# A `fit` on the GPUs of one or several machines, that goes on by itself when the cluster takes them away:
#
#   sbatch --nodes 2 --gpus-per-node 4 --ntasks-per-node 4 sweeps/slurm.sh --config aqa7.yaml --model.margin 0.7
#
# Submit it from the folder of the project; what follows the script are options of `python run.py fit`. There is a task
# a GPU; batch_size counts the pairs of a task. The run's folder is runs/slurm/<job>: a requeued job keeps its number,
# finds checkpoints/last.ckpt there and goes on. PYTHON names another interpreter than .venv/bin/python.
#SBATCH --job-name=gcn-psn
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.out
# Two minutes before the time is up this script (B:), not the training, is told: last.ckpt is never old.
#SBATCH --signal=B:USR1@120
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?submit this script: sbatch sweeps/slurm.sh --config ...}"
run="runs/slurm/${SLURM_JOB_ID:?}"
options=(
  "$@"
  --trainer.num_nodes "${SLURM_JOB_NUM_NODES:?}"
  --trainer.devices "${SLURM_NTASKS_PER_NODE:?}"
  --trainer.strategy ddp
  --trainer.logger.folder "$run"
)
if [ -e "$run/checkpoints/last.ckpt" ]; then
  options+=(--ckpt_path "$run/checkpoints/last.ckpt")
fi

# shellcheck disable=SC2329  # the trap calls it
requeue() {
  echo "job $SLURM_JOB_ID: the time is up; on its next turn it goes on from $run/checkpoints/last.ckpt"
  scontrol requeue "$SLURM_JOB_ID" || echo "job $SLURM_JOB_ID: cannot be requeued; submit it again with --ckpt_path"
}
trap requeue USR1

export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # networks this small gain nothing from more
# In the background: bash hears a signal only while it waits. A task that dies takes the others with it.
srun --kill-on-bad-exit=1 "${PYTHON:-.venv/bin/python}" run.py fit "${options[@]}" &
training=$!
code=0
wait "$training" || code=$?
while kill -0 "$training" 2>/dev/null; do # it was the signal that ended the wait
  code=0
  wait "$training" || code=$?
done
if [ "$code" -ne 0 ]; then
  echo "job $SLURM_JOB_ID: ended with code $code; scontrol requeue $SLURM_JOB_ID goes on from the last checkpoint"
fi
exit "$code"
