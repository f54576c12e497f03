"""From the YAML of an ablation to trials."""

import itertools
import json
import shlex
from typing import Any

import pytest
import yaml

from errors import InputError
from trials.ablation.grid import Ablation, read_ablation, slug, word

TABLE = """
title: Table II
base: [speed21.yaml]
seeds: 2
folds: {data.fold: [0, 3], data.folds: [climber, event]}
variants:
  MLP baseline: {config: mlp.yaml}
  GCN-PSN (paper): {}
  GCN, 64 channels: {config: [a.yaml, b.yaml], model.encoder.channels: 64, model.lr: 1e-3}
"""


def read(text: str) -> Ablation:
    return read_ablation(yaml.safe_load(text), "table.yaml")


def test_every_variant_seed_and_fold_is_a_trial() -> None:
    table = read(TABLE)
    trials = [trial for variant in table.variants for trial in table.trials(variant, ["--trainer.max_epochs", "3"])]
    expected = []  # written out once more, without the grid
    for name, folder, overlays, own in [
        ("MLP baseline", "mlp_baseline", ["mlp.yaml"], []),
        ("GCN-PSN (paper)", "gcn_psn_paper", [], []),
        (
            "GCN, 64 channels", "gcn_64_channels", ["a.yaml", "b.yaml"],
            ["--model.encoder.channels=64", "--model.lr=1e-3"],
        ),
    ]:  # fmt: skip
        for seed, fold, folds in itertools.product((0, 1), (0, 3), ("climber", "event")):
            arguments = [f"--config={config}" for config in ("speed21.yaml", *overlays)]
            arguments += ["--trainer.max_epochs", "3", *own, f"--data.fold={fold}", f"--data.folds={folds}"]
            labels = {"variant": name, "seed": seed, "data.fold": fold, "data.folds": folds}
            trial = f"{folder}/seed_{seed}_fold_{fold}_folds_{folds}"
            expected.append((trial, (*arguments, f"--seed_everything={seed}"), labels))
    assert [(trial.name, trial.arguments, trial.labels) for trial in trials] == expected


def test_without_folds_a_seed_is_a_trial() -> None:
    table = read("title: x\nvariants: {a: , b: {model.margin: 1}}")
    assert (table.seeds, table.base) == (1, ())
    assert [trial.name for variant in table.variants for trial in table.trials(variant)] == ["a/seed_0", "b/seed_0"]


def test_options_of_all_variants_come_first_and_give_way() -> None:
    table = read("title: x\noptions: {model: {margin: 1}, model.lr: 2}\nvariants: {a: , b: {model.margin: 3}}")
    assert [table.arguments(variant) for variant in table.variants] == [
        ["--model.margin=1", "--model.lr=2"], ["--model.margin=3", "--model.lr=2"]
    ]  # fmt: skip


def test_nested_options_are_dotted_ones() -> None:
    nested = read("title: x\nvariants: {a: {model: {margin: 1, encoder: {class_path: b.C, bias: true}}, data.x: {}}}")
    assert nested.variants[0].options == {
        "model.margin": "1", "model.encoder.class_path": "b.C", "model.encoder.bias": "true", "data.x": "{}"
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", [1, 0.7, 1e-5, True, None, "text", "a b", [1, "two"], [{"class_path": "a.B", "init_args": {"k": [1]}}], {}]
)
def test_values_stay_what_they_are_on_a_command_line(value: Any) -> None:
    assert (word(value) if isinstance(value, str) else json.loads(word(value))) == value


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("GCN-PSN (paper)", "gcn_psn_paper"), ("margin 0.7", "margin_0.7"), ("A + 2I", "a_2i"), ("Größe", "groe"),
        ("../../x", "x"), ("λ", ""), ("...", ""),
    ],
)  # fmt: skip
def test_a_folder_name_is_plain_and_stays_inside(name: str, folder: str) -> None:
    assert slug(name) == folder


def test_fold_values_make_folders_of_their_own() -> None:
    table = read("title: x\nfolds: {a.b: [-1, 1, [diving], 0.5]}\nvariants: {v: }")
    names = [trial.name for trial in table.trials(table.variants[0])]
    assert names == ["v/seed_0_b_-1", "v/seed_0_b_1", "v/seed_0_b_diving", "v/seed_0_b_0.5"]
    assert table.trials(table.variants[0])[2].labels["a.b"] == '["diving"]'


@pytest.mark.parametrize(
    ("text", "essential"),
    [
        ("[a, b]", "expected keys"),
        ("title: x\nvariant: {a: }", "'variant'; did you mean 'variants'?"),
        ("title: x\nnonsense: {a: }", "an ablation has title, base, options, seeds, folds, variants"),
        ("variants: {a: }", "title is missing"),
        ("title: 3\nvariants: {a: }", "title is 3"),
        ("title: x", "variants is missing"),
        ("title: x\nvariants: {}", "variants is {}"),
        ("title: x\nvariants: [a, b]", "variants is"),
        ("title: x\nvariants: {a: 3}", "variant 'a' is 3"),
        ("title: x\nvariants: {λ: }", "variant 'λ'"),
        ("title: x\nvariants: {a b: , A-B: }", "as that of 'a b'"),
        ("title: x\nvariants: {logs: }", "as that of the logs"),
        ("title: x\nvariants: {a: {config: 3}}", "variant 'a': config is 3"),
        ("title: x\nvariants: {a: {--model.margin: 3}}", "without dashes"),
        ("title: x\nvariants: {a: {seed_everything: 3}}", "`seeds`"),
        ("title: x\nvariants: {a: {data.fold: 3}}\nfolds: {data.fold: [1]}", "'a': data.fold is what the folds"),
        ("title: x\nvariants: {a: }\noptions: [1]", "options is [1]"),
        ("title: x\nseeds: 0\nvariants: {a: }", "seeds is 0"),
        ("title: x\nseeds: true\nvariants: {a: }", "seeds is true"),
        ("title: x\nseeds: [1]\nvariants: {a: }", "seeds is [1]"),
        ("title: x\nbase: {}\nvariants: {a: }", "base is {}"),
        ("title: x\nfolds: 5\nvariants: {a: }", "folds is 5"),
        ("title: x\nfolds: {data.fold: []}\nvariants: {a: }", "data.fold is []"),
        ("title: x\nfolds: {data.fold: 5}\nvariants: {a: }", "data.fold is 5"),
        ("title: x\nfolds: {data.fold: [1, 1]}\nvariants: {a: }", "twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(text: str, essential: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    said = str(refused.value)
    assert said.startswith("table.yaml: ")
    assert essential in said
    assert "\n" not in said


def test_a_value_is_not_repeated_at_length() -> None:
    with pytest.raises(InputError) as refused:
        read(f"title: x\nvariants: [{'a, ' * 200}]")
    assert len(str(refused.value)) < 250


def test_arguments_are_words_for_a_shell_too() -> None:
    table = read("title: x\nvariants: {v: {model.scorers: [{class_path: a.B}]}}")
    arguments = table.arguments(table.variants[0])
    assert shlex.split(shlex.join(arguments)) == arguments == ['--model.scorers=[{"class_path": "a.B"}]']
