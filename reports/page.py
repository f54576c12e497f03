"""A report as one self-contained HTML page."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.document import Picture, Report


def html(report: Report) -> str:
    """The page: inline styles and figures, no script, nothing from a network."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"drawn": _drawn, "kind": _kind}
    return environment.get_template("page.html").render(report=report)


def _drawn(picture: Picture) -> Markup:
    if isinstance(picture.content, str):
        # what matplotlib wrote, in which it has escaped every text
        label = Markup('<svg role="img" aria-label="{}" ').format(picture.title)
        return Markup(picture.content.replace("<svg ", str(label), 1))
    data = base64.b64encode(picture.content).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(picture.title, data)


def _kind(block: Any) -> str:
    return type(block).__name__
