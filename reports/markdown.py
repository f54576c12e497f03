"""A report as Markdown, with its figures as files beside it."""

import re
from collections.abc import Iterator

from reports.document import Gallery, Heading, Report, RunList, Table


def markdown(report: Report) -> str:
    """The text; figures are looked for in `figures/`."""
    lines = [f"# {escaped(report.title)}", ""]
    lines += [f"**{escaped(text)}**\n" for text in report.warnings]
    lines += [", ".join(f"{escaped(name)}: **{escaped(value)}**" for name, value in report.facts), ""]
    lines += [f"{escaped(text)}\n" for text in report.text]
    for section in report.sections:
        lines += [f"## {escaped(section.title)}", ""]
        for block in section.blocks:
            if isinstance(block, str):
                lines += [escaped(block), ""]
            elif isinstance(block, Heading):
                lines += [f"### {escaped(block.text)}", ""]
            elif isinstance(block, Table):
                lines += _table(block)
            elif isinstance(block, Gallery):
                lines += _gallery(block)
            else:
                lines += _runs(block)
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    """Text that stays text: nothing in it is Markdown or HTML."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)


def _table(table: Table) -> Iterator[str]:
    yield from (f"#### {escaped(table.title)}", "", escaped(table.caption), "")
    yield f"| {' | '.join(map(escaped, table.header))} |"
    yield f"|{''.join('---|' if place < table.words else '---:|' for place in range(len(table.header)))}"
    for line in table.lines:
        cells = [f"**{escaped(cell.text)}**" if cell.marked else escaped(cell.text) for cell in line.cells]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield from (f"- {escaped(note)}" for note in table.notes)
    yield ""


def _gallery(gallery: Gallery) -> Iterator[str]:
    yield from (f"#### {escaped(gallery.title)}", "")
    if gallery.text:
        yield from (escaped(gallery.text), "")
    for picture in gallery.pictures:
        yield from (f"![{escaped(picture.title)}](figures/{picture.file})", "")
        yield from (f"*{escaped(picture.title)}.* {escaped(picture.caption)}", "")


def _runs(runs: RunList) -> Iterator[str]:
    yield from (f"#### {escaped(runs.title)}", "")
    for run in runs.runs:
        yield from (f"<details><summary>{escaped(run.name)}: {escaped(run.state)}</summary>", "")
        for fact in run.facts:
            yield from (escaped(fact), "")
        if run.command:
            yield from _code(run.command)
        if run.config:
            said = f"Config, where it differs from that of {escaped(run.base)}:" if run.base else "Config:"
            yield from (said, "")
            yield from _code(run.config)
        yield from ("</details>", "")


def _code(text: str) -> Iterator[str]:
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}text", text.rstrip("\n"), fence, "")
