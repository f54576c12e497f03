"""`python run.py report RUNS...`: one page, with tables and figures, on many runs."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from commands import OptionParser
from errors import InputError, counted, quoted
from files import write_atomically
from reports.build import build
from reports.document import Picture
from reports.groups import by_dataset, campaigns
from reports.page import html, markdown
from run_folder.runs import Run, find_runs, read_run


def run(arguments: Sequence[str]) -> int:
    """Write the report."""
    parser = OptionParser(
        prog="run.py report",
        description="Tables, figures and the list of runs, from run folders alone: index.html (one page, needs nothing "
        "else), report.md, and figures/.",
    )
    parser.add_argument("runs", metavar="RUNS", nargs="+", type=Path, help="folders of runs, or folders above them")
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, default=Path("runs/report"), help="where to write (%(default)s)"
    )
    parser.add_argument("--title", default="Report", help="title of the page (%(default)s)")
    parser.add_argument(
        "--reference", metavar="VARIANT", help="variant from which differences are taken; else the one started first"
    )
    options = parser.parse_args(arguments[1:])
    output: Path = options.output
    _check_output(output)
    runs = [read_run(name, folder) for name, folder in find_runs(options.runs)]
    if options.reference is not None:
        _check_reference(options.reference, runs)
    figures = output / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the sums are small; on a busy machine, threads that wait for each other cost most
    try:
        report = build(runs, options.title, options.reference)
    finally:
        torch.set_num_threads(threads)
    for picture in report.pictures:
        write_atomically(figures / picture.file, _alone(picture))
    write_atomically(output / "report.md", markdown(report))
    write_atomically(output / "index.html", html(report))
    _say(runs, output, len(report.pictures))
    return 0


def _check_output(output: Path) -> None:
    for folder in (output, output / "figures"):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; choose another --output")


def _check_reference(reference: str, runs: Sequence[Run]) -> None:
    found = [campaign for dataset in by_dataset(runs) for campaign in campaigns(dataset.runs)]
    names = list(dict.fromkeys(variant.name for campaign in found for variant in campaign.variants))
    if reference not in names:
        near = difflib.get_close_matches(reference, names, 1) or names
        raise InputError(f"--reference: no variant {quoted(reference)}; there are {', '.join(map(repr, near))}")


def _alone(picture: Picture) -> bytes | str:
    """A figure as a file: an SVG that stands alone has no page to take its colours from, so it gets them."""
    if isinstance(picture.content, bytes):
        return picture.content
    head, _, rest = picture.content.partition(">")
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head} color="#1b1d21">{paper}{rest}'


def _say(runs: Sequence[Run], output: Path, figures: int) -> None:
    console = Console(soft_wrap=True)
    states = dict.fromkeys(run.state for run in runs)
    counts = ", ".join(f"{sum(run.state == state for run in runs)} {state}" for state in states)
    console.print(f"{counted(len(runs), 'run')} ({counts}), {figures} figures")
    for one in runs:
        for line in one.broken:
            console.print(f"[bold red]unreadable[/] {escape(one.name)}: {escape(line)}")
    if collapsed := [one.name for one in runs if one.collapsed]:
        console.print(f"[bold red]{len(collapsed)} collapsed[/]: {escape(', '.join(collapsed))}")
    console.print(f"index.html, report.md and figures: [bold]{escape(str(output))}[/]")
