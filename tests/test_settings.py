"""YAML of users is read safely, keys are made flat, and objects are built, with one line on what is wrong."""

from itertools import pairwise
from pathlib import Path

import pytest
from torch import nn

import run
from errors import InputError
from settings import DEEPEST, build, flatten, load_yaml, read_yaml

# what YAML's own reader raises all kinds of errors over, or hangs on -> essential words
REFUSED = {
    "a: 2024-13-45": "line 1: '2024-13-45' is no timestamp",
    "a: 1\nb: !!timestamp x": "line 2: 'x' is no timestamp",
    "a: !!int x": "'x' is no int",
    "a: !!bool x": "'x' is no bool",
    "a: " + "9" * 5000: "'9999",
    "a: !foo 1": "line 1: ",
    "a: !!python/object/apply:os.system [ls]": "line 1: ",
    "? [a]\n: b": "line 1: a key is a list",
    "a: 1\n<<: 3": "line ",
    "x: &a {<<: *a}": "an alias holds itself",
    "&a [*a]": "an alias holds itself",
    "a: *b": "line 1: not YAML",
    "[" * 3000 + "]" * 3000: "line 1: not YAML",
    "- " * (DEEPEST + 2) + "1": f"more than {DEEPEST} levels deep",
    "a: &a [1, 1]\n" + "".join(f"{n}: &{n} [{f'*{m}, ' * 9}]\n" for m, n in pairwise("abcdefg")): "aliases written out",
    "a: 1\nb: {c: 1, c: 2}": "line 2: 'c' is there twice",
    "a: 'x": "not YAML",
    "a: 1\n---\nb: 1": "not YAML",
    "\x00": "characters that YAML does not allow",
    "\udcff": "characters that YAML does not allow",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_every_kind_of_bad_yaml_is_one_short_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        load_yaml(text, "mine.yaml")
    said = str(refused.value)
    assert said.startswith("mine.yaml")
    assert REFUSED[text] in said
    assert "\n" not in said
    assert len(said) < 220


def test_what_can_be_read_is_what_it_says(tmp_path: Path) -> None:
    assert load_yaml("", "x") is None
    assert load_yaml(b"a: &x {b: [1, 2.5, true, null, 'text']}\nc: {<<: *x, d: 1e3}", "x") == {
        "a": {"b": [1, 2.5, True, None, "text"]},
        "c": {"b": [1, 2.5, True, None, "text"], "d": "1e3"},
    }
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: pli\xc3\xa9\n")
    assert read_yaml(path) == {"name": "pli\u00e9"}
    path.write_bytes(b"a: 1\nname: pli\xe9\n")
    with pytest.raises(InputError, match="line 2: byte 0xe9 is not UTF-8"):
        read_yaml(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path)


def test_nested_keys_are_flattened() -> None:
    nested = {
        "model": {"class_path": "a.B", "init_args": {"encoder": {"init_args": {"width": 2}}, "list": [1, {"k": 2}]}},
        "x": {},
        "y": [],
    }
    expected = {"model.class_path": "a.B", "model.encoder.width": 2, "x": {}, "y": []}
    assert flatten(nested) == expected | {"model.list": [1, {"k": 2}]}
    assert flatten(nested, items=True) == expected | {"model.list.0": 1, "model.list.1.k": 2}


class Picky(nn.Module):
    """Refuses a width as a user's mistake, and a depth as a programmer's."""

    def __init__(self, width: int = 1, depth: int = 1, inner: nn.Module | str | None = None) -> None:
        super().__init__()
        if width < 1:
            raise InputError(f"width is {width}")
        if depth < 1:
            raise ValueError(f"depth is {depth}")
        self.width, self.inner = width, inner


class Other:
    """Of no use."""


def picky(**arguments: object) -> dict[str, object]:
    return {"class_path": f"{Picky.__module__}.Picky", "init_args": arguments}


def test_objects_are_built_from_settings() -> None:
    made = build((Other, nn.Module), picky(width=2, inner=picky(width=3)))
    assert (made.width, made.inner.width) == (2, 3)
    assert build(Picky, {"width": 4}).width == 4


@pytest.mark.parametrize("config", [picky(width=0), picky(inner=picky(width=0)), {"width": 0}])
def test_what_a_class_refuses_is_one_line(config: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"^x\.ckpt: its part cannot be built: width is 0$"):
        build(Picky, config, "x.ckpt: its part")
    with pytest.raises(InputError, match=r"^width is 0$"):
        build(Picky, config)


@pytest.mark.parametrize("config", [picky(depth=0), picky(inner=picky(depth=0)), {"depth": 0}])
def test_a_bug_keeps_its_own_exception(config: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^depth is 0$"):
        build(Picky, config)


@pytest.mark.parametrize(
    "config", [picky(wdth=1), picky(width="wide"), {"class_path": "errors.InputError"}, {"class_path": "no.such.Thing"}]
)
def test_settings_of_nothing_are_one_line(config: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"^x: its part cannot be built: .*$") as refused:
        build(Picky, config, "x: its part")
    assert "\n" not in str(refused.value)


ENCODER = "lightning_modules.encoders.GCNEncoder"


@pytest.mark.parametrize(
    ("overlay", "name"),
    [
        (
            "model: {init_args: {encoder: {class_path: lightning_modules.encoders.GCNEncoder, init_args: {depth: }}}}",
            "depth",
        ),
        ("data: {init_args: {val_share: }}", "val_share"),
        ("data: {class_path: datamodules.speed21.Speed21, init_args: {folds: }}", "folds"),
    ],
)
def test_a_key_left_without_a_value_is_one_line(
    overlay: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(overlay)
    assert run.main(["fit", "--config", "demo.yaml", "--config", str(tmp_path / "mine.yaml")]) == 2
    assert f"{name} has no value; give one" in capsys.readouterr().err
