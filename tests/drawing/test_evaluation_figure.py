import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from drawing.evaluation_figure import evaluation_figure
from drawing.pictures import save_figure
from errors import InputError
from poses.batches import EmbeddedClips
from poses.normalisation import Normalisation
from scoring.evaluation import Evaluation, evaluate
from scoring.pose_pairs import pick_pairs
from tests.conftest import REPO
from tests.scoring.build import make_clips


def evaluated(
    scored: EmbeddedClips, names: list[str], calibrated: bool = False, synthetic: bool = False, more: int = 0
) -> Evaluation:
    noise = torch.linspace(0, 5, len(scored), dtype=torch.float64)
    predictions = {"reference": scored.score + noise, "ridge": scored.score - noise}
    predictions |= {f"scorer {i}": scored.score + i * noise for i in range(more)}
    exemplars = make_clips(40, seed=1, action=torch.arange(40) % len(names))
    return evaluate(
        scored, exemplars, predictions, "fisher", names, calibrated={"reference": calibrated}, synthetic=synthetic
    )


def clips(n: int, actions: int = 1, **known: Any) -> EmbeddedClips:
    return make_clips(n, **({"action": torch.arange(n) % actions, "group": torch.arange(n) // 3} | known))


def draw(scored: EmbeddedClips, names: list[str], **options: Any) -> Figure:
    return evaluation_figure(evaluated(scored, names, **options), scored, names)


def visible(figure: Figure) -> list[Text]:
    """Everything that is written, without tick labels outside of the view."""
    outside: set[Text] = set()
    for axes in figure.findobj(matplotlib.axes.Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not axes.axison or not low <= tick.get_loc() <= high:
                    outside |= {tick.label1, tick.label2}
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible() and text not in outside]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in visible(figure)]


def assert_legible(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    texts = [(text, text.get_window_extent()) for text in visible(figure)]
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
        assert float(text.get_fontsize()) >= 8.5
    for (one, first), (other, second) in itertools.combinations(texts, 2):
        assert not first.overlaps(second), (one, other)


# Figure ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "calibrated"), [(1, False), (1, True), (2, False), (3, True), (4, False), (5, False), (9, True)]
)
def test_legible_for_any_number_of_actions(actions: int, calibrated: bool) -> None:
    names = [f"action_{i}" for i in range(actions)]
    figure = draw(clips(8 * actions, actions), names, calibrated=calibrated, synthetic=True)
    assert_legible(figure)
    said = words(figure)
    assert sum(name in said for name in names) == min(actions, 6)
    assert any("the 6 of 9 actions" in one for one in said) == (actions == 9)
    assert ("rank of the synthetic score" in said) != calibrated
    assert ("synthetic score" in said) == calibrated


def test_largest_actions_are_shown() -> None:
    action = torch.tensor([i for i in range(8) for _ in range(i + 2)])
    said = words(draw(clips(len(action), action=action), [f"a{i}" for i in range(8)]))
    assert [one for one in said if one in [f"a{i}" for i in range(8)]] == ["a2", "a3", "a4", "a5", "a6", "a7"]
    assert "9 clips" in " ".join(said)


def test_legible_with_long_names_and_many_predictors() -> None:
    names = [
        "an action with quite a long name, longer than room",
        "x" * 60,
        r"$\broken{",
        "100 % <b>[bold]",
        "_",
        "^ {",
    ]
    for more in (5, 20):
        figure = draw(clips(48, 6), names, more=more)
        assert_legible(figure)
    assert any("10 more predictors" in one for one in words(figure))


@pytest.mark.parametrize("synthetic", [False, True])
def test_says_when_poses_are_made_up(synthetic: bool) -> None:
    said = words(draw(clips(10), ["walk"], synthetic=synthetic))
    assert said[0] == "test: 10 clips" + " of SYNTHETIC poses" * synthetic


def test_undefined_rhos_are_called_so() -> None:
    figure = draw(clips(10, score=torch.full((10,), 3.0, dtype=torch.float64)), ["walk"])
    assert_legible(figure)
    said = words(figure)
    assert said.count("undefined") == len(evaluated(clips(10), ["walk"]).rows)
    assert "10 clips, rho undefined" in said


def test_collapse_is_said() -> None:
    figure = draw(clips(10, embedding=torch.ones(10, 6, 5)), ["walk"])
    assert_legible(figure)
    assert "have collapsed" in words(figure)[0]
    assert words(figure).count("score 100.0") == 3


def test_a_single_clip() -> None:
    figure = draw(clips(1), ["walk"])
    assert_legible(figure)
    assert {"test: 1 clip", "1 clip, rho undefined"} <= set(words(figure))
    assert any("nothing to compare" in one for one in words(figure))


def test_no_clip_with_a_score() -> None:
    figure = draw(clips(5, score=torch.full((5,), torch.nan, dtype=torch.float64)), ["walk"])
    assert_legible(figure)
    assert {"test: 0 clips", "No clip has a score."} <= set(words(figure))
    assert any("clip without a score" in one for one in words(figure))


def scattered(figure: Figure) -> list[Tensor]:
    found = [axes.collections[0].get_offsets() for axes in figure.findobj(matplotlib.axes.Axes) if axes.collections]
    return [torch.tensor(np.asarray(points)).double() for points in found]


@pytest.mark.parametrize("calibrated", [False, True])
def test_points_are_predictions_against_scores(calibrated: bool) -> None:
    scored = clips(12)
    evaluation = evaluated(scored, ["walk"], calibrated=calibrated)
    (points,) = scattered(evaluation_figure(evaluation, scored, ["walk"]))
    expected = torch.stack([evaluation.table.score, evaluation.table.predictions["reference"]], 1)
    if not calibrated:
        expected = expected.argsort(0).argsort(0) + 1
    assert torch.allclose(points, expected.double())


def test_missing_predictions_are_left_out() -> None:
    names = ["walk", "run"]
    scored = clips(12, 2)
    evaluation = evaluated(scored, names)
    evaluation.table.predictions["reference"][1::2] = torch.nan
    evaluation.table.predictions["reference"][4] = torch.nan
    figure = evaluation_figure(evaluation, scored, names)
    assert_legible(figure)
    assert [len(points) for points in scattered(figure)] == [5]
    assert "no prediction" in words(figure)


def test_poses_with_their_aspect_ratio_kept_keep_it() -> None:
    xy = torch.rand(8, 6, 15, 2) * torch.tensor([50.0, 200.0])
    poses, _ = Normalisation(keep_aspect=True)(xy, None)
    figure = draw(clips(8, poses=poses), ["walk"])
    assert_legible(figure)
    panels = [axes for axes in figure.findobj(matplotlib.axes.Axes) if len(axes.lines) == 2 * 29]
    assert [axes.get_aspect() for axes in panels] == [1, 1, 1]
    pair = pick_pairs(clips(8, poses=poses))[0]
    drawn = np.array([line.get_xydata()[0] for line in panels[0].lines[14:29]])  # type: ignore[index]
    assert np.allclose(drawn, poses[pair.tracks[0], pair.times[0]].numpy(), atol=1e-6)


# File -----------------------------------------------------------------------------------------------------------------


def test_same_bytes_and_nothing_else(tmp_path: Path) -> None:
    scored = clips(10, 2)
    evaluation = evaluated(scored, ["walk", "跑"])
    written = []
    for _ in range(2):
        figure = evaluation_figure(evaluation, scored, ["walk", "跑"], "validate")
        save_figure(figure, tmp_path / "figure.png")
        written.append((tmp_path / "figure.png").read_bytes())
    assert written[0] == written[1]
    assert [one.name for one in tmp_path.iterdir()] == ["figure.png"]
    with pytest.raises(InputError, match="cannot write"):
        save_figure(figure, Path("/proc/figure.png"))


def test_committed_picture_is_there_and_light() -> None:
    picture = REPO / "docs" / "demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys\nfrom drawing.evaluation_figure import evaluation_figure\n"
        "assert not {'matplotlib.pyplot', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO)
