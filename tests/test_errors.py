"""What messages repeat of what the user wrote: not more than 60 characters of a value."""

import math

import pytest

import run
from errors import QUOTED, one_line, quoted, shortened, some
from tests.refusal import assert_one_line

DIGITS, WORDS = "9" * 5000, "long words " * 500
LONG = [
    ["fit", "--config", "demo.yaml", "--model.margin", DIGITS],
    ["fit", "--config", "demo.yaml", "--model.margin", DIGITS[:4000]],
    ["fit", "--config", "demo.yaml", "--data.root", DIGITS],
    ["fit", "--config", "demo.yaml", "--seed_everything", DIGITS[:4000]],
    ["fit", "--config", "demo.yaml", "--ckpt_path", DIGITS],
    ["fit", "--config", "demo.yaml", "--model.encoder", WORDS],
    ["fit", "--config", "demo.yaml", "--model.scorers", WORDS],
    ["fit", "--config", "speed21.yaml", "--data.folds", WORDS],
    ["fit", "--config", "speed21.yaml", f"--data.fold={DIGITS}"],
    ["fit", "--config", DIGITS],
    ["score", "a.png", "b.png", "--person", WORDS],
    ["score", "a.png", "b.png", "--mirror", WORDS],
    ["ablate", "--config", "ablations/table2.yaml", "--seeds", DIGITS],
    ["report", DIGITS],
    ["check", DIGITS],
    [DIGITS],
]


@pytest.mark.parametrize("words", LONG, ids=lambda words: " ".join(word[:9] for word in words))
def test_no_endless_value_is_echoed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = run.main(words)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    said = capsys.readouterr().err
    assert_one_line(said)
    assert said.count("9") + said.count("long words") * len("long words") <= QUOTED
    assert "Exceeds the limit" not in said  # that is Python's business, not what is wrong


def test_values_are_quoted_up_to_a_length() -> None:
    assert quoted("a'b") == '"a\'b"'
    assert quoted(0.5) == "0.5"
    assert quoted([math.inf]) == "[inf]"
    assert len(quoted("x" * 100)) == QUOTED
    assert quoted("x" * 100).endswith("xxx...")
    assert shortened("x" * QUOTED) == "x" * QUOTED
    assert some(["a", "b", "c" * 99, "d", "e"]) == f"'a', 'b', '{'c' * 56}... and 2 more"


def test_one_line_leaves_paths_whole() -> None:
    path = "/".join(["a_folder_of_some_length"] * 10)
    assert one_line(f"{path}:\n  no such\tfile") == f"{path}: no such file"
    assert one_line(f"got {'1' * 61}; give less") == f"got {'1' * 57}...; give less"
    assert one_line(f"{'y' * 5000}: too long") == f"{'y' * 57}...: too long"
