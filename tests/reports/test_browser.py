"""The page in a real browser: alone, without a network, wide and narrow, light and dark. Measured, not looked at."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import run
from tests.browser import Browser, Page, browser
from tests.run_folder.made_runs import make_campaign, make_run

WIDTHS = (1280, 400)

# Texts with their size on the screen and their contrast with what is behind them, and lines of figures with theirs.
MEASURE = r"""
(() => {
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const opaque = colour => { const c = parse(colour); return c.length === 3 || c[3] === 1; };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (opaque(colour)) return parse(colour);
    }
    return [255, 255, 255];
  };
  const contrast = (element, colour) => {
    const [a, b] = [luminance(parse(colour).slice(0, 3)), luminance(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  document.querySelectorAll('details').forEach(e => { e.open = true; });
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest('svg, style')) continue;
    const style = getComputedStyle(element);
    const text = walker.currentNode.textContent.trim().slice(0, 40);
    texts.push([text, parseFloat(style.fontSize), contrast(element, style.color)]);
  }
  const figures = [...document.querySelectorAll('figure svg')].map(svg => {
    const box = svg.getBoundingClientRect();
    const words = [...svg.querySelectorAll('text')].map(text => {
      const style = getComputedStyle(text), place = text.getBoundingClientRect();
      const cell = /rgb\((0, 0, 0|255, 255, 255)\)/.test(style.fill);
      return {text: text.textContent, size: parseFloat(style.fontSize) * svg.getScreenCTM().a,
        contrast: cell ? null : contrast(text, style.fill),
        box: [place.left - box.left, place.top - box.top, place.right - box.left, place.bottom - box.top]};
    });
    const lines = [...svg.querySelectorAll('path, use')].map(e => getComputedStyle(e)).filter(
      style => style.stroke !== 'none' && parseFloat(style.strokeOpacity) === 1 && parseFloat(style.opacity) === 1
    ).map(style => style.stroke);
    return {name: svg.closest('figure').id, width: box.width, height: box.height, words,
      lines: [...new Set(lines)].map(colour => [colour, contrast(svg, colour)])};
  });
  const pictures = [...document.images].map(i => [i.naturalWidth, i.naturalHeight, i.clientWidth, i.clientHeight,
    getComputedStyle(i).backgroundColor]);
  const wide = [...document.querySelectorAll('main *')].filter(
    e => !e.closest('.scroll, pre, svg') && e.getBoundingClientRect().right > innerWidth + 1
  ).map(e => e.outerHTML.slice(0, 80));
  return JSON.stringify({overflow: document.documentElement.scrollWidth - innerWidth, wide, texts, figures, pictures,
    scheme: getComputedStyle(document.body).backgroundColor});
})()
"""


@pytest.fixture(scope="module")
def page_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """index.html of a report with every kind of figure, in a folder where nothing else is."""
    folder = tmp_path_factory.mktemp("runs")
    long = "A variant with quite a long name, a comma and <b>markup</b>, as people will have it"
    make_campaign(folder / "a", {"GCN-PSN": {"noise": 2.0}, long: {"options": {"margin": 0.7}}})
    for margin in (0.5, 1.35):
        for lr in (1e-4, 1e-3):
            options = {"margin": margin, "lr": lr}
            make_run(
                folder / f"{margin}_{lr}",
                options=options,
                labels={"model.margin": margin, "model.lr": lr},
                campaign="sweep",
            )
    make_run(folder / "version_0", dataset="Demo", actions=("kick", "jump"), collapsed=True)
    assert run.main(["report", str(folder), "--output", str(folder / "report"), "--title", "x" * 90]) == 0
    alone = tmp_path_factory.mktemp("alone") / "index.html"
    shutil.copy(folder / "report" / "index.html", alone)
    return alone


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module", params=[(width, dark) for width in WIDTHS for dark in (False, True)], ids=str)
def opened(request: pytest.FixtureRequest, chromium: Browser, page_alone: Path) -> tuple[Page, dict[str, Any], bool]:
    width, dark = request.param
    page = chromium.open(page_alone, width, dark)
    return page, json.loads(page.evaluate(MEASURE)), dark


Opened = tuple[Page, dict[str, Any], bool]


def test_it_opens_from_the_file_system_and_asks_nobody(opened: Opened, page_alone: Path) -> None:
    page, _, _ = opened
    assert set(page.asked) == {page_alone.as_uri(), "data:image/png;base64"}
    assert page.wrong == []


def test_nothing_is_wider_than_the_screen(opened: Opened) -> None:
    assert opened[1]["overflow"] <= 0
    assert opened[1]["wide"] == []


def test_light_and_dark_are_heeded_and_text_stands_out_in_both(opened: Opened) -> None:
    _, found, dark = opened
    level = int(found["scheme"].removeprefix("rgb(").split(",")[0])
    assert (level < 60) if dark else (level > 240)
    assert len(found["texts"]) > 300
    faint = [text for text in found["texts"] if text[2] < 4.5 or text[1] < 12]
    assert faint == []


def test_figures_can_be_read(opened: Opened) -> None:
    _, found, _ = opened
    kinds = {figure["name"].split("-")[1] for figure in found["figures"]}
    assert {"rho", "learning", "robustness", "0"} <= kinds
    for figure in found["figures"]:
        assert figure["width"] > 300
        for word in figure["words"]:
            assert word["size"] >= 9, (figure["name"], word)
            assert word["contrast"] is None or word["contrast"] >= 4.5, (figure["name"], word)
            left, top, right, bottom = word["box"]
            assert -1 <= left <= right <= figure["width"] + 1, (figure["name"], word)
            assert -1 <= top <= bottom <= figure["height"] + 1, (figure["name"], word)
        for colour, contrast in figure["lines"]:
            assert contrast >= 3, (figure["name"], colour)


def test_words_of_a_figure_do_not_lie_over_each_other(opened: Opened) -> None:
    for figure in opened[1]["figures"]:
        words = figure["words"]
        for place, one in enumerate(words):
            for other in words[place + 1 :]:
                (a, b, c, d), (e, f, g, h) = one["box"], other["box"]
                across, down = min(c, g) - max(a, e), min(d, h) - max(b, f)
                # boxes of lines of text are taller than their letters
                assert across <= 1 or down <= 0.35 * min(d - b, h - f), (figure["name"], one, other)


def test_pictures_are_there_on_white_and_large_enough(opened: Opened) -> None:
    pictures = opened[1]["pictures"]
    assert len(pictures) > 8
    for width, height, shown, shown_height, background in pictures:
        assert width > 0
        assert height > 0
        assert shown_height == pytest.approx(shown * height / width, abs=1.5)
        assert background == "rgb(255, 255, 255)"
        assert shown * 9 / 72 / 4 >= 9  # letters of 9 points in a picture 4 inches wide
