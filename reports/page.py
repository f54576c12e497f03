"""A report as one self-contained HTML page, and as Markdown with its figures as files beside it."""

import base64
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.document import Picture, Report


def html(report: Report) -> str:
    """The page: inline styles and figures, no script, nothing from a network."""
    return _filled("page.html", report, autoescape=True)


def markdown(report: Report) -> str:
    """The text; figures are looked for in `figures/`."""
    return _filled("page.md.jinja", report, autoescape=False).rstrip() + "\n"


def escaped(text: str) -> str:
    """Text that stays text: nothing in it is Markdown or HTML."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)


def _filled(template: str, report: Report, autoescape: bool) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"drawn": _drawn, "kind": _kind, "escaped": escaped, "fence": _fence}
    return environment.get_template(template).render(report=report)


def _drawn(picture: Picture) -> Markup:
    if isinstance(picture.content, str):
        # what matplotlib wrote, in which it has escaped every text
        label = Markup('<svg role="img" aria-label="{}" ').format(picture.title)
        return Markup(picture.content.replace("<svg ", str(label), 1))
    data = base64.b64encode(picture.content).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(picture.title, data)


def _kind(block: Any) -> str:
    return type(block).__name__


def _fence(text: str) -> str:
    """What goes round code in Markdown: more backticks than any run of them in it."""
    return "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
