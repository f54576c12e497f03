"""`python -m experiments.readme_pictures`: the README's pictures, by the commands that it shows, from made-up videos.

Nobody's photograph is in them: see `experiments.made_up_videos`. About 40 seconds on one core.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image as Pillow

import run
from experiments.made_up_videos import write_set

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
ROOT: Final = "made-up people"
"""Name of the folder with the videos: what the contact sheet is headed with."""
LARGEST: Final = 300_000
"""Bytes of a picture, before it gets a palette."""


def draw(docs: Path) -> list[Path]:
    """Make the videos, run the commands, and keep their pictures in `docs`.

    Raises:
        RuntimeError: a command ended with another exit code than 0.
    """
    docs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        media, cache = Path(folder, ROOT), Path(folder, "keypoints")
        write_set(media)
        configs = ("--config", "media_folder.yaml", "--config", "blazepose.yaml")
        _run("extract", *configs, "--data.root", media, "--data.cache", cache)
        (sheet,) = cache.rglob(f"{ROOT}.png")
        pictures = [_kept(sheet, docs / "extract.png")]
        for name, files in (
            ("photographs", ("kick_reference.png", "kick_attempt.png")),
            ("videos", ("squat_reference.mp4", "squat_attempt.mp4")),
            ("repetitions", ("star_jump.mp4", "three_star_jumps.mp4")),
        ):
            output = Path(folder, f"{name}.png")
            several = ["--repetitions"] if name == "repetitions" else []
            _run("score", *several, *(media / one for one in files), "--keypoints", cache, "--output", output)
            pictures.append(_kept(output, docs / f"score-{name}.png"))
    return pictures


def _run(*words: str | Path) -> None:
    if run.main([str(word) for word in words]):
        raise RuntimeError(f"run.py {words[0]} failed; see above")


def _kept(source: Path, target: Path) -> Path:
    """A picture packed tightly; one that is large even so gets a palette, which costs a colour bar its smoothness."""
    with Pillow.open(source) as picture:
        colours = picture.convert("RGB")
    colours.save(target, optimize=True)
    if target.stat().st_size > LARGEST:
        colours.quantize(256, dither=Pillow.Dither.NONE).save(target, optimize=True)
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw them and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of the pictures (%(default)s)")
    for path in draw(parser.parse_args(arguments).output):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
