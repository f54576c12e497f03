"""Folders of runs as fit, test and the trials leave them, with made-up numbers: many runs in no time."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from torch import Tensor

from run_folder.trial import Label, Record
from scoring.trivial import RAW_RIDGE

CLIPS = 12
"""Clips of a fold."""

SCORERS = ("reference", "vote", "ridge")
TRIVIAL = ("class mean", RAW_RIDGE)
LEVELS = (0.0, 5.0, 10.0)


def random(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def true_scores(fold: int) -> Tensor:
    """The scores of a fold's clips."""
    return random(CLIPS, seed=100 + fold)


def make_run(
    folder: Path,
    *,
    seed: int = 0,
    fold: int = 0,
    noise: float = 1.0,
    collapsed: bool = False,
    dataset: str = "Speed21",
    options: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    variant: str | None = None,
    labels: Mapping[str, Label] | None = None,
    campaign: str = "Table II",
    actions: Sequence[str] = ("climb",),
    started: int = 0,
    whole: bool = True,
) -> Path:
    """Write a run's folder.

    Args:
        folder: of the run.
        seed: of the run.
        fold: which clips are tested.
        noise: of the predictions; the smaller the better they rank.
        collapsed: constant predictions, and said so.
        dataset: name of the data module's class.
        options: of the model: margin, lr, and `encoder` with its class_path and init_args.
        data: further options of the data.
        variant: label of the trial; without it and without `labels` there is no trial.json.
        labels: of the trial, in place of the variant.
        campaign: title of the ablation or sweep.
        actions: names of the actions that the clips go through.
        started: second at which the run was started.
        whole: whether cost.json, robustness.parquet and test/pairs.json are there.
    """
    (folder / "test").mkdir(parents=True)
    config = _config(seed, fold, dataset, options or {}, data or {})
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    versions = {
        "python": "3.11.7",
        "packages": {"torch": "2.13.0"},
        "commit": "0123abcd",
        "uncommitted_changes": False,
        "command": ["run.py", "fit", f"--seed_everything={seed}"],
        "started": f"2026-01-01T00:{started // 60:02}:{started % 60:02}+00:00",
    }
    (folder / "versions.json").write_text(json.dumps(versions))
    predictions = _predictions(seed, fold, noise, collapsed)
    _write_metrics(folder / "metrics.csv", seed, collapsed)
    _write_test(folder, dataset, fold, predictions, collapsed, actions)
    if variant is not None or labels is not None:
        own = labels if labels is not None else {"variant": variant, "seed": seed, "data.fold": fold}
        arguments = ("--config=speed21.yaml", f"--seed_everything={seed}")
        Record(campaign, "ablation", own, arguments, "finished", seconds=20.0 + seed, members=1).write(folder)
    if whole:
        _write_extras(folder, fold, predictions, actions)
    return folder


def make_campaign(
    folder: Path, variants: Mapping[str, Mapping[str, Any]], seeds: int = 2, folds: int = 2, **same: Any
) -> list[Path]:
    """Runs of every variant, seed and fold; a variant's mapping goes to `make_run`."""
    return [
        make_run(
            folder / f"variant_{place}" / f"seed_{seed}_fold_{fold}",
            seed=seed,
            fold=fold,
            variant=name,
            started=place,
            **{**same, **own},
        )
        for place, (name, own) in enumerate(variants.items())
        for seed in range(seeds)
        for fold in range(folds)
    ]


def rewrite(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _config(seed: int, fold: int, dataset: str, options: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    encoder = {"class_path": "lightning_modules.encoders.GCNEncoder", "init_args": {"channels": 2}}
    own = {"encoder": encoder, "margin": 1.35, "lr": 1e-4} | dict(options)
    where = {"root": "data/x", "cache": "data/y", "fold": fold} | dict(data)
    return {
        "seed_everything": seed,
        "trainer": {"max_epochs": 4},
        "model": {"class_path": "lightning_modules.pose_similarity.PoseSimilarity", "init_args": own},
        "data": {"class_path": f"datamodules.data.{dataset}", "init_args": where},
    }


def _predictions(seed: int, fold: int, noise: float, collapsed: bool) -> dict[str, Tensor]:
    score = true_scores(fold)
    scorers = score + noise * random(3, CLIPS, seed=1000 + 10 * seed + fold)
    if collapsed:
        scorers = torch.full((3, CLIPS), float(fold), dtype=torch.float64)
    return {
        "reference": scorers[0] * (fold + 1) + 50 * fold,  # every model has a scale of its own
        "vote": scorers[1],
        "ridge": scorers[2],
        "class mean": torch.ones(CLIPS, dtype=torch.float64),
        RAW_RIDGE: score + random(CLIPS, seed=fold),
    }


def _write_metrics(path: Path, seed: int, collapsed: bool) -> None:
    columns = ["step", "epoch", "train/loss", "val/spearman", *(f"val/spearman_{name}" for name in SCORERS)]
    columns += ["val/spearman_best", "val/collapsed", "val/spread"]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for epoch in range(4):
            for step in range(2):
                writer.writerow({"step": 10 * epoch + step, "epoch": epoch, "train/loss": 1 / (1 + epoch) + step / 10})
            rho = 0.2 + 0.1 * epoch - 0.2 * (epoch == 3) + 0.01 * seed
            row = {"step": 10 * epoch + 9, "epoch": epoch, "val/collapsed": float(collapsed), "val/spread": 0.5}
            if not collapsed:
                row |= {"val/spearman": rho, "val/spearman_reference": rho, "val/spearman_vote": rho - 0.05}
                row |= {"val/spearman_ridge": rho + 0.05, "val/spearman_best": rho}
            writer.writerow(row)


def _write_test(
    folder: Path, dataset: str, fold: int, predictions: Mapping[str, Tensor], collapsed: bool, actions: Sequence[str]
) -> None:
    rhos = {
        name: float(torch.corrcoef(torch.stack([values, true_scores(fold)]))[0, 1])
        for name, values in predictions.items()
    }
    rows = [
        {
            "name": name,
            "trivial": name in TRIVIAL,
            "rho": None if rho != rho else rho,
            "relative_l2": None if name == "reference" else 2.0,
        }
        for name, rho in rhos.items()
    ]
    metrics = {
        "part": "test",
        "dataset": dataset,
        "headline": "pooled" if len(actions) == 1 else "fisher",
        "synthetic": dataset == "Demo",
        "collapsed": collapsed,
        "calibrated": {"reference": False, "vote": True, "ridge": True},
        "rows": rows,
    }
    (folder / "test" / "metrics.json").write_text(json.dumps(metrics))
    columns: dict[str, Any] = {
        "clip": [f"{fold}_{place:02}" for place in range(CLIPS)],
        "action": [actions[place % len(actions)] for place in range(CLIPS)],
        "group": [f"group {fold}.{place // 3}" for place in range(CLIPS)],
        "score": true_scores(fold).tolist(),
        "difficulty": pa.array([None] * CLIPS, pa.float64()),
    }
    columns |= {name: values.tolist() for name, values in predictions.items()}
    pq.write_table(pa.table(columns), folder / "test" / "predictions.parquet")


def _write_extras(folder: Path, fold: int, predictions: Mapping[str, Tensor], actions: Sequence[str]) -> None:
    cost = {
        "parameters": 5848,
        "fit_seconds": 20.0,
        "members": 1,
        "milliseconds_per_clip": 0.25,
        "clips": 9,
        "threads": 1,
    }
    (folder / "cost.json").write_text(json.dumps(cost))
    poses = torch.rand(2, 15, 2, generator=torch.Generator().manual_seed(fold)).tolist()
    pairs = [
        {"level": level, "score": score, "above": score / 100, "clips": ["a", "b"], "actions": ["climb", "climb"]}
        | {"times": [0.1, 0.9], "poses": poses}
        for level, score in (("high", 97.3), ("medium", 72.5), ("low", 11.8))
    ]
    (folder / "test" / "pairs.json").write_text(json.dumps({"pairs": pairs}))
    columns: dict[str, list[Any]] = {name: [] for name in ("perturbation", "unit", "level", "clip", "action", "group")}
    columns |= {name: [] for name in ("score", *SCORERS)}
    for perturbation, unit in (("joint noise", "% of the torso"), ("rotation", "degrees")):
        for level in LEVELS:
            for place in range(CLIPS):
                columns["perturbation"].append(perturbation)
                columns["unit"].append(unit)
                columns["level"].append(level)
                columns["clip"].append(f"{fold}_{place:02}")
                columns["action"].append(actions[place % len(actions)])
                columns["group"].append(f"group {fold}.{place // 3}")
                columns["score"].append(float(true_scores(fold)[place]))
                for name in SCORERS:
                    worse = level * float(random(CLIPS, seed=7 + fold)[place]) / 5
                    columns[name].append(float(predictions[name][place]) + worse)
    pq.write_table(pa.table(columns), folder / "robustness.parquet")
