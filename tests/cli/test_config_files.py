"""Configs are found and read, and every parse error is one line that says what, where and what was meant."""

from pathlib import Path

import pytest

import run
from cli.config_files import CONFIGS, find_config, given
from errors import InputError
from tests.refusal import assert_one_line

Capture = pytest.CaptureFixture[str]
MONITOR = "lightning_modules.callbacks.run_monitor.RunMonitor"

# option -> essential words of the message
COMMAND_LINE: dict[str, tuple[str, ...]] = {
    "--model.margn 0.7": ("command line: no such key 'model.margn'; did you mean 'model.margin'?",),
    "--model.margn=0.7": ("command line: no such key 'model.margn'; did you mean 'model.margin'?",),
    "--modl.margin 0.7": ("'modl.margin'", "did you mean 'model.margin'?"),
    "--margin 0.7": ("'margin'", "did you mean 'model.margin'?"),
    "--model.encoder.chanels 16": ("'model.encoder.chanels'", "did you mean 'model.encoder.channels'?"),
    "--data.pairs.score_gp 1": ("'data.pairs.score_gp'", "did you mean 'data.pairs.score_gap'?"),
    "--data.pairs_per_epoch 1": ("'data.pairs_per_epoch'", "did you mean 'data.pairs.pairs_per_epoch'?"),
    "--data.clip 77": ("'data.clip'", "did you mean 'data.clips'?"),
    "--data.fold 1": ("no such key 'data.fold'; data has batch_size, clips,",),
    "--trainer.max_epoch 3": ("'trainer.max_epoch'", "did you mean 'trainer.max_epochs'?"),
    "--trainer.logger.save_dri x": ("'trainer.logger.save_dri'", "did you mean 'trainer.logger.save_dir'?"),
    f"--trainer.callbacks+={{class_path: {MONITOR},init_args: {{every_n_step: 3}}}}": (
        "did you mean 'trainer.callbacks.every_n_steps'?",
    ),
    "--xyz 3": ("command line: no such key 'xyz'", "--help"),
    "stray": ("command line: 'stray' follows no option",),
    "--model.lr fast": ("command line: model.lr is 'fast', expected a number",),
    "--model.lr=": ("command line: model.lr is '', expected a number",),
    "--model.lr": ("command line: --model.lr has no value after it",),
    "--config": ("command line: --config has no value after it",),
    "--model.encoder.channels 2.5": ("model.encoder.channels is '2.5', expected a whole number",),
    "--model.encoder.bias maybe": ("model.encoder.bias is 'maybe', expected true or false",),
    "--model.scorers scoring.vote.VoteScorer": ("model.scorers is 'scoring.vote.VoteScorer', expected a list",),
    "--trainer.precision 17": ("trainer.precision is '17', expected one of 64, 32, 16",),
    "--seed_everything tru": ("seed_everything is 'tru', expected a whole number",),
    "--model.encoder lightning_modules.encoders.GCNEncodr": (
        "command line: model.encoder",
        "did you mean 'lightning_modules.encoders.GCNEncoder'?",
    ),
    "--model.encoder lightning_modules.encoder.GCNEncoder": ("did you mean 'lightning_modules.encoders.GCNEncoder'?",),
    "--model.encoder GCNEncodr": ("did you mean 'lightning_modules.encoders.GCNEncoder'?",),
    "--model.encoder.activation torch.nn.ELUU": ("model.encoder.activation", "did you mean 'torch.nn.ELU'?"),
    "--model.encoder torch.nn.Linear": ("not set: model.encoder.in_features, model.encoder.out_features",),
    "--model no_such_package.Thing": ("model", "No module named 'no_such_package'"),
    "--data datamodules.sampling.rules.PairRule": ("which is no LightningDataModule", "datamodules.aqa7.AQA7"),
    "--data Demoo": ("did you mean 'datamodules.demo.Demo'?",),
    "--config dem.yaml": ("no config 'dem.yaml'", "did you mean 'demo.yaml'?"),
    "--config /": ("'/' is a folder",),
}

# content of a config over demo.yaml -> essential words of the message
FILES: dict[str | bytes, tuple[str, ...]] = {
    "data:\n  init_args:\n    clps: 77\n": ("line 3: no such key 'data.clps'; did you mean 'data.clips'?",),
    "data:\n  clps: 77\n": ("line 2: no such key 'data.clps'; did you mean 'data.clips'?",),
    "data:\n  init_args:\n    pairs:\n      score_gp: 1\n": ("line 4:", "did you mean 'data.pairs.score_gap'?"),
    "data:\n  class_path: datamodules.demo.Dmo\n": ("line 2: data names", "did you mean 'datamodules.demo.Demo'?"),
    "dta:\n  class_path: datamodules.demo.Demo\n": ("no such key 'dta'", "did you mean 'data'?"),
    "trainer:\n  max_epoch: 3\n": ("line 2: no such key 'trainer.max_epoch'", "did you mean 'trainer.max_epochs'?"),
    "fit:\n  trainer:\n    max_epochs: 3\n": ("line 3", "did you mean 'trainer.max_epochs'?"),
    "trainer:\n  max_epochs: many\n": ("line 2: trainer.max_epochs is 'many', expected a whole number",),
    "seed_everything: 1\nseed: 2\n": ("line 2: no such key 'seed'",),
    "model:\n  init_args:\n    lr: fast\n": ("line 3: model.lr is 'fast', expected a number",),
    "model:\n  init_arg:\n    lr: 1\n": ("line 3", "did you mean 'model.lr'?"),
    "model:\n  init_args:\n    encoder:\n      init_args:\n        channels: wide\n": (
        "line 5: model.encoder.channels is 'wide', expected a whole number",
    ),
    "model:\n  init_args:\n    scorers:\n    - class_path: scoring.vote.VoteScorr\n": (
        "line 4: model.scorers",
        "did you mean 'scoring.vote.VoteScorer'?",
    ),
    "model:\n  init_args:\n    scorers:\n    - class_path: scoring.vote.VoteScorer\n      init_args: {width: [1]}\n": (
        "line 5: no such key 'model.scorers.width'; model.scorers has",
    ),
    "model: 3\n": ("line 1: model is '3', which is no LightningModule",),
    "data:\n  class_path: [unclosed\nmodel: 3\n": ("line 3: not YAML",),
    "model:\n\tinit_args: 3\n": ("line 2: not YAML",),
    "data: {}\nmodel: {}\ndata: {}\n": ("line 3: 'data' is there twice",),
    "- a\n- b\n": ("is a list, expected keys",),
    "just text\n": ("is one value, expected keys",),
    "": ("the config is empty",),
    "# nothing\n---\n": ("the config is empty",),
    b"\x00\x01\x02": ("characters that YAML does not allow",),
    b"\x89PNG\r\n\x1a\n\xff": ("line 1: byte 0x89 is not UTF-8",),
    "# plié\nmodel: {}\n".encode("latin-1"): ("line 1: byte 0xe9 is not UTF-8",),
    "model: {}\n".encode("utf-16"): ("is not UTF-8",),
}


@pytest.mark.parametrize("option", COMMAND_LINE)
def test_errors_on_the_command_line(option: str, capsys: Capture) -> None:
    words = option.split(" ", 1) if "=" not in option else [option]
    assert run.main(["fit", "--config", "demo.yaml", *words]) == 2
    assert_one_line(capsys.readouterr().err, *COMMAND_LINE[option])


@pytest.mark.parametrize("content", FILES)
def test_errors_in_a_config(content: str | bytes, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run.main(["fit", "--config", "demo.yaml", "--config", str(path)]) == 2
    assert_one_line(capsys.readouterr().err, str(path), *FILES[content])


def test_what_is_not_set_and_what_comes_too_early(capsys: Capture) -> None:
    assert run.main(["fit"]) == 2
    assert_one_line(capsys.readouterr().err, "not set: model.encoder, model.scorers", "--config demo.yaml")
    assert run.main(["fit", "--data.clips", "77", "--config", "demo.yaml"]) == 2
    assert_one_line(capsys.readouterr().err, "data.clips stands before", "put --config first")


def test_the_same_errors_in_other_commands(capsys: Capture) -> None:
    assert run.main(["test", "--config", "demo.yaml", "--ckpt", "a.ckpt"]) == 2
    assert_one_line(capsys.readouterr().err, "'ckpt'", "did you mean 'ckpt_path'?")


def test_a_config_is_found_by_path_by_name_and_without_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("\ufeffseed_everything: 3\n", encoding="utf-8")
    assert find_config(str(path)) == path
    assert find_config("demo.yaml") == find_config("demo") == CONFIGS / "demo.yaml"
    with pytest.raises(InputError, match=r"did you mean 'speed21\.yaml'"):
        find_config("sped21.yaml")
    with pytest.raises(InputError, match=r"configs/ has aqa7\.yaml"):
        find_config("nothing like it")


def test_what_was_given_and_where(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("data:\n  class_path: a.B\n  init_args:\n    sports: [diving]\n")
    words = [
        "--config",
        str(path),
        "--data.c=1",
        "--trainer.callbacks+={class_path: a.C}",
        "--model.lr",
        "-1",
        "--flag",
    ]
    found = [(item.key, item.value, item.where.removeprefix(str(path))) for item in given(words)]
    assert found[-10:] == [
        ("data", None, ", line 1"),
        ("data", "a.B", ", line 2"),
        ("data", None, ", line 3"),
        ("data.sports", None, ", line 4"),
        ("data.sports", "diving", ", line 4"),
        ("data.c", "1", "command line"),
        ("trainer.callbacks", "{class_path: a.C}", "command line"),
        ("trainer.callbacks", "a.C", "command line"),
        ("model.lr", "-1", "command line"),
        ("flag", "", "command line"),
    ]
