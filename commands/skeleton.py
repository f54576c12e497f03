"""`python run.py skeleton`: a picture of the 15 joints and 14 bones."""

from collections.abc import Sequence
from pathlib import Path

from commands import OptionParser


def run(arguments: Sequence[str]) -> int:
    """Draw the skeleton."""
    parser = OptionParser(
        prog="run.py skeleton", description="Draw the 15 joints, numbered and named, and the 14 bones."
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/skeleton.png"),
        help="picture to write: .png, .svg, .pdf (%(default)s)",
    )
    output = parser.parse_args(arguments[1:]).output

    from drawing.pictures import save_figure
    from drawing.stick_figures import skeleton_figure

    save_figure(skeleton_figure(), output)
    print(output)
    return 0
