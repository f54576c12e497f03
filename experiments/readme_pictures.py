"""`python -m experiments.readme_pictures`: the pictures of README.md and docs/, by the commands that these show.

Nobody's photograph is in them: people are made up (see `experiments.made_up_videos`), and the demo's poses synthetic.
About two minutes on one core.
"""

import argparse
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image as Pillow

import run
from experiments.made_up_videos import write_set
from files import write_atomically

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
ROOT: Final = "made-up people"
"""Name of the folder with the videos: what the contact sheet is headed with."""
PICTURES: Final = ("demo", "skeleton", "extract", "score-photographs", "score-videos", "score-repetitions")
"""Names without `.png`."""
WIDTH: Final = 1280
"""Pixels of the contact sheet, which is made of photographs; lines and letters take less, and stay as they are."""


def draw(docs: Path) -> list[Path]:
    """Make the videos, run the commands, and keep their pictures in `docs`, in the order of `PICTURES`.

    Raises:
        RuntimeError: a command ended with another exit code than 0.
    """
    docs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        media, cache, runs, skeleton = (Path(folder, name) for name in (ROOT, "keypoints", "runs", "skeleton.png"))
        _run("demo", "--folder", runs, "--data.root", Path(folder, "data"))
        _run("skeleton", "--output", skeleton)
        write_set(media)
        configs = ("--config", "media_folder.yaml", "--config", "blazepose.yaml")
        _run("extract", *configs, "--data.root", media, "--data.cache", cache)
        (sheet,) = cache.rglob(f"{ROOT}.png")
        sources = [runs / "demo" / "version_0" / "test" / "figure.png", skeleton, sheet]
        for name, files in (
            ("photographs", ("kick_reference.png", "kick_attempt.png")),
            ("videos", ("squat_reference.mp4", "squat_attempt.mp4")),
            ("repetitions", ("star_jump.mp4", "three_star_jumps.mp4")),
        ):
            output = Path(folder, f"{name}.png")
            several = ["--repetitions"] if name == "repetitions" else []
            _run("score", *several, *(media / one for one in files), "--keypoints", cache, "--output", output)
            sources.append(output)
        return [keep(source, docs / f"{name}.png") for source, name in zip(sources, PICTURES, strict=True)]


def _run(*words: str | Path) -> None:
    if run.main([str(word) for word in words]):
        raise RuntimeError(f"run.py {words[0]} failed; see above")


def keep(source: Path, target: Path) -> Path:
    """Write a picture as small as it goes while letters and thin lines stay crisp; returns `target`.

    It gets a palette of 256 colours, of which none is far from what was there: the median cut would lose a passer-by's
    green jacket among many greys.
    """
    with Pillow.open(source) as picture:
        colours = picture.convert("RGB")
    if target.stem == "extract":
        colours = colours.resize((WIDTH, round(colours.height * WIDTH / colours.width)), Pillow.Resampling.LANCZOS)
    packed = io.BytesIO()
    palette = colours.quantize(256, Pillow.Quantize.MAXCOVERAGE, kmeans=1, dither=Pillow.Dither.NONE)
    palette.save(packed, "PNG", optimize=True)
    write_atomically(target, packed.getvalue())
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw them and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of the pictures (%(default)s)")
    for path in draw(parser.parse_args(arguments).output):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
