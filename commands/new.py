"""`python run.py new encoder NAME`: the files of a recipe, a test that fails until they are filled in, what to do."""

import keyword
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from commands import OptionParser
from errors import InputError, quoted
from files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "cli" / "recipes"


class Recipe(NamedTuple):
    """What a new part of the project consists of.

    Attributes:
        suffix: that the class's name ends in.
        files: by template, the file that is made of it.
        then: what to do beside filling them in.
    """

    suffix: str
    files: dict[str, str]
    then: tuple[str, ...] = ()


RECIPES = {
    "dataset": Recipe(
        "",
        {
            "dataset.py": "datamodules/{name}.py",
            "dataset.yaml": "configs/{name}.yaml",
            "make_dataset.py": "tests/data/{name}/make.py",
            "test_dataset.py": "tests/datamodules/test_{name}.py",
        },
        ("a row `{name}.yaml` in the table of docs/data.md",),
    ),
    "encoder": Recipe(
        "Encoder",
        {
            "encoder.py": "lightning_modules/encoders/{name}.py",
            "encoder.yaml": "configs/{name}.yaml",
            "test_encoder.py": "tests/lightning_modules/encoders/test_{name}.py",
        },
        (
            "its import, and its name in __all__, in lightning_modules/encoders/__init__.py",
            'a line "{name}": {cls}(), in ENCODERS of tests/lightning_modules/encoders/test_encoders.py',
        ),
    ),
    "scorer": Recipe(
        "Scorer",
        {
            "scorer.py": "scoring/{name}.py",
            "scorer.yaml": "configs/{name}.yaml",
            "test_scorer.py": "tests/scoring/test_{name}.py",
        },
    ),
    "estimator": Recipe(
        "Estimator",
        {
            "estimator.py": "extraction/estimators/{name}.py",
            "estimator.yaml": "configs/{name}.yaml",
            "test_estimator.py": "tests/extraction/estimators/test_{name}.py",
        },
    ),
}


def run(arguments: Sequence[str]) -> int:
    """Write the files and say what to fill in."""
    parser = OptionParser(
        prog="run.py new",
        description="Begin a new part of the project: its file, the config that names it, and a test that fails until "
        "they are filled in (CONTRIBUTING.md).",
    )
    parser.add_argument("kind", choices=RECIPES, help="what it is")
    parser.add_argument("name", help="of its file and config, such as graph_attention")
    options = parser.parse_args(arguments[1:])
    recipe, names = RECIPES[options.kind], _names(options.kind, options.name)
    paths = {template: Path(path.format(**names)) for template, path in recipe.files.items()}
    if there := [str(path) for path in paths.values() if (ROOT / path).exists()]:
        raise InputError(f"{there[0]}: is there already; choose another name")

    for template, path in paths.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        text = (TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
        for mark, name in names.items():
            text = text.replace(f"{{{{ {mark} }}}}", name)
        write_atomically(ROOT / path, text)
        print(f"written: {path}")
    print("fill in what says TODO or NotImplementedError; then")
    for step in recipe.then:
        print(f"- {step.format(**names)}")
    test = next(path for template, path in paths.items() if template.startswith("test_"))
    print(f"- python -m pytest {test} tests/test_recipes.py, which fail until then")
    return 0


def _names(kind: str, name: str) -> dict[str, str]:
    """What the templates call it.

    Raises:
        InputError: no name for a module, or one that another file of the project has.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or keyword.iskeyword(name):
        raise InputError(f"{quoted(name)} is no name for a file; write small letters and underscores: graph_attention")
    rooms = [folder for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()]
    for other in (path for room in rooms for path in room.rglob(f"{name}.py")):
        raise InputError(f"{other.relative_to(ROOT)} has that name already; a name says one thing in the whole house")
    words = name.split("_")
    return {
        "name": name,
        "cls": "".join(word.capitalize() for word in words) + RECIPES[kind].suffix,
        "word": " ".join(filter(None, words)),
    }
