import random
from pathlib import Path

import pytest

from lightning_modules.wandb_log import labels


def of(folder: str, **known: int) -> str:
    return labels(Path(folder), encoder="GCNEncoder", dataset="Speed21", **known).name


def test_names_sort_as_the_runs_were_made() -> None:
    names = [of(f"runs/speed21/version_{number}", fold=number % 5, seed=number) for number in range(120)]
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled) == names
    assert names[7] == "speed21 v007 GCNEncoder fold 2 seed 07"
    assert sorted(of("a/b/x", seed=seed) for seed in (10, 2, 1)) == [of("a/b/x", seed=seed) for seed in (1, 2, 10)]


def test_what_is_not_known_is_not_named() -> None:
    found = labels(Path("runs/demo/version_3"), encoder="MLPEncoder", dataset="Demo")
    assert found.name == "demo v003 MLPEncoder"
    assert found.tags == ("demo", "Demo", "MLPEncoder")


def test_a_trial_is_named_after_variant_and_trial() -> None:
    found = labels(Path("out/gcn_64/seed_0_fold_1"), encoder="GCNEncoder", dataset="Speed21", seed=0, fold=1)
    assert found.name == "gcn_64 seed_0_fold_1 GCNEncoder fold 1 seed 00"
    assert found.group == "gcn_64 GCNEncoder"
    assert found.tags == ("gcn_64", "Speed21", "GCNEncoder", "fold 1", "seed 00")


def test_folds_and_seeds_are_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def group(folder: Path, fold: int, seed: int) -> str:
        return labels(folder, encoder="GCNEncoder", dataset="Speed21", fold=fold, seed=seed).group

    groups = {group(tmp_path / "speed21" / f"version_{i}", i % 5, i) for i in range(10)}
    assert groups == {"speed21 GCNEncoder"}
    (tmp_path / "speed21").mkdir()
    monkeypatch.chdir(tmp_path / "speed21")
    assert group(Path("version_0"), 0, 0) in groups  # from wherever it is asked


def test_tags_are_as_short_as_wandb_wants_them() -> None:
    found = labels(Path(f"{'long' * 40}/version_0"), encoder="GCNEncoder", dataset="Demo")
    assert all(0 < len(tag) <= 64 for tag in found.tags)
