"""Every command of the README and the pages runs, as it stands there, in an empty folder with data where they say."""

import ast
import importlib
import os
import re
import shlex
import subprocess
from itertools import islice
from pathlib import Path

import pytest

import run
from cli.config_files import CONFIGS
from commands import COMMANDS
from experiments import made_up_videos
from tests.conftest import REPO
from tests.data.speed21.make import make as make_speed21
from tests.forks import python

PAGES = ["README.md", "CONTRIBUTING.md", "models/README.md", "sweeps/README.md", "findings/README.md"]
PAGES += sorted(str(path.relative_to(REPO)) for path in (REPO / "docs").rglob("*.md"))
TEXTS = {page: (REPO / page).read_text() for page in PAGES}
FAST = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=3", "--trainer.enable_model_summary=false"]
ROOMS = sorted(path.parent.name for path in REPO.glob("*/__init__.py"))


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[page], re.DOTALL | re.MULTILINE)


def lines(page: str) -> list[str]:
    """The commands of a page, without what is said beside them."""
    return [re.sub(r"  +#.*", "", line).strip() for block in blocks(page, "bash") for line in block.splitlines()]


# what stands on two pages is run once, and the notebook's page by a test of its own
LINES = list(dict.fromkeys(line for page in PAGES if page != "docs/notebook.md" for line in lines(page)))
SET_UP = [line for line in LINES if line.startswith(("make ", "source "))]
PICTURES = [
    line
    for line in LINES
    if re.search(r" (score|extract|features|check data/m\w+(/keypoints)?) |made_up_videos", f"{line} ")
]
TRAINING = [line for line in LINES if line not in SET_UP and line not in PICTURES]


def test_what_sets_up_comes_first_and_exists() -> None:
    assert SET_UP == ["make demo", "make test", "source .venv/bin/activate", "make pose"]
    assert lines("README.md")[:3] == SET_UP[:3]
    for page in PAGES:
        said = lines(page)
        needy = [number for number, line in enumerate(said) if line in PICTURES]
        assert not needy or said.index("make pose") < needy[0], page
    for line in SET_UP:
        if line.startswith("make "):
            done = subprocess.run(["make", "--dry-run", line.split()[1]], cwd=REPO, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    assert "make test" in (REPO / ".ci" / "run").read_text()
    assert "VENV := .venv\n" in (REPO / "Makefile").read_text()


def run_all(commands: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in a folder, as they stand there, but for the length of training.

    Those of one process run in this one, which has imported what they need; the others, and Weights & Biases, do not.
    """
    monkeypatch.chdir(folder)
    for line in commands:
        words = shlex.split(line)
        environment = {**os.environ, "PYTHONPATH": str(REPO), "WANDB_MODE": "offline"}
        while "=" in words[0]:
            name, value = words.pop(0).split("=")
            environment[name] = value
        fast = FAST if {"fit", "sweep", "ablate"} & set(words) else []
        if words[:2] == ["python", "run.py"] and not {"--trainer.devices", "wandb.yaml", "--help"} & set(words):
            assert run.main([*words[2:], *fast]) == 0, line
            continue
        if words[:2] == ["python", "-m"]:
            importlib.import_module(words[2]).main(words[3:])
            continue
        words[:1] = {"python": [], "torchrun": ["-m", "torch.distributed.run"]}[words[0]]
        words = [str(REPO / "run.py") if word == "run.py" else word for word in words]
        done = python(*words, *fast, cwd=folder, env=environment)
        assert done.returncode == 0, f"{line}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"


@pytest.mark.slow
def test_every_command_about_training_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_speed21(tmp_path / "data")  # data/speed21
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("docs/data.md", "python")
    exec(compile(block, "docs/data.md", "exec"), {})  # data/mine
    assert len(TRAINING) > 10
    run_all(TRAINING, tmp_path, monkeypatch)


@pytest.mark.slow
def test_every_command_about_pictures_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every third frame of the made-up videos: how well people are found in all of them is tested elsewhere."""
    every = made_up_videos.pictures
    monkeypatch.setattr(made_up_videos, "pictures", lambda figures: islice(every(figures), 0, None, 3))
    assert len(PICTURES) > 6
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "media").symlink_to(tmp_path / "data" / "made_up")  # somebody's own
    run_all(PICTURES, tmp_path, monkeypatch)
    assert [path for path in tmp_path.rglob("*.png") if "data" not in path.parts]  # what score draws
    for cache in ("mine/keypoints", "made_up_keypoints", "two"):
        assert len(list((tmp_path / "data" / cache).glob("*.parquet"))) == 6


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)|<img src=\"([^\"]+)\"", TEXTS[page]):
        path, _, heading = "".join(target).partition("#")
        if not path.startswith("https://"):
            file = (REPO / page).parent / path
            assert file.exists(), target
            assert not heading or heading in headings(file.read_text()), target


def headings(text: str) -> list[str]:
    """Names that GitHub gives a page's headings."""
    return [re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)", text, re.M)]


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_is_there(page: str) -> None:
    """Files and modules of the rooms, configs, commands and scripts; not what the reader is to write."""
    text = TEXTS[page]
    for path in re.findall(rf"`((?:{'|'.join(ROOMS)}|tests|configs|sweeps|docs)/[\w/.-]*)`", text):
        assert (REPO / path).exists(), path
    for name in re.findall(rf"(?:`|-m |class_path: )((?:{'|'.join(ROOMS)})\.[\w.]+)", text):
        assert resolved(name), name
    for name in set(re.findall(r"[`/ ](\w+\.yaml)`", text)) - {"people.yaml", "config.yaml"}:
        assert any((folder / name).exists() for folder in (CONFIGS, CONFIGS / "ablations", REPO / "sweeps")), name
    for word in re.findall(r"run\.py ([a-z][\w-]*)", text):
        assert word in COMMANDS, word


def resolved(name: str) -> bool:
    """Whether a dotted name is a module or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = REPO.joinpath(*parts[:length])
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            if length == len(parts):
                return True
            found: object = importlib.import_module(".".join(parts[:length]))
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found is not None
    return False


@pytest.mark.parametrize("page", ["docs/keypoint-cache.md", "docs/clip-features.md"])  # others are run
def test_python_of_pages_imports_what_is_there(page: str) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOMS:
                assert all(resolved(f"{node.module}.{alias.name}") for alias in node.names), ast.unparse(node)


def test_pages_are_short_and_found_from_the_index() -> None:
    index = TEXTS["docs/README.md"]
    for page, text in TEXTS.items():
        assert len(text.splitlines()) < (160 if page == "README.md" else 200), page
        assert page in ("README.md", "docs/README.md") or f"]({os.path.relpath(page, 'docs')})" in index, page


def test_docs_are_small() -> None:
    files = [path for path in (REPO / "docs").rglob("*") if path.is_file()]
    assert len(files) <= 40
    assert sum(path.stat().st_size for path in files) <= 1_200_000
