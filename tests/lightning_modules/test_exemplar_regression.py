from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

import run
from datamodules.demo import Demo
from datamodules.sampling.exemplars import ExemplarLoader
from datamodules.sampling.rules import ExemplarRule
from errors import InputError
from lightning_modules.encoders import GCNEncoder
from lightning_modules.exemplar_regression import ExemplarRegression
from lightning_modules.heads.core import CoRe
from lightning_modules.heads.tpt import TPT
from lightning_modules.sources import Coordinates, PoseEmbeddings
from scoring.ridge import RidgeScorer
from tests.conftest import REPO
from tests.datasets import FAST, options
from tests.scoring.build import make_clips, scipy_rho
from tests.test_leaks import repeat_every_frame

SMALL = partial(CoRe, hidden=16, pooling="concatenate")


def test_the_head_stands_first_and_others_beside_it() -> None:
    model = ExemplarRegression(Coordinates(3, 2), SMALL, [RidgeScorer()])
    assert [scorer.name for scorer in model.scorers] == ["regression", "ridge"]
    assert model.head.windows == 3
    assert model.embed_clips(torch.rand(2, 9, 15, 2)).shape == (2, 3, 30)


def test_sources_and_decoders_train_slowly() -> None:
    model = ExemplarRegression(PoseEmbeddings(GCNEncoder(), 3, 2), partial(TPT, model_width=16), lr=1e-2, slow_lr=1e-5)
    optimizer = model.configure_optimizers()
    rates = {id(weights): group["lr"] for group in optimizer.param_groups for weights in group["params"]}
    slow = [*model.source.parameters(), *model.head.slow_parameters()]
    assert {rates[id(weights)] for weights in slow} == {1e-5}
    assert {rate for key, rate in rates.items() if key not in {id(weights) for weights in slow}} == {1e-2}
    assert len(rates) == len(list(model.source.parameters())) + len(list(model.head.parameters()))


def test_nothing_of_a_source_without_weights_is_trained() -> None:
    (group,) = ExemplarRegression(Coordinates(3, 2), SMALL).configure_optimizers().param_groups
    assert len(group["params"]) == len(list(SMALL(3, 30).parameters()))


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"slow_lr": -1.0}, {"exemplars": 0}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="lr and slow_lr must be above 0, exemplars at least 1"):
        ExemplarRegression(Coordinates(3, 2), SMALL, **wrong)  # type: ignore[arg-type]


def test_a_constant_prediction_is_a_collapse() -> None:
    model = ExemplarRegression(Coordinates(3, 2), SMALL)
    queries = make_clips(6, action=torch.arange(6) % 2)
    for prediction, collapsed in (
        (torch.arange(6.0), False),
        (torch.arange(6.0) % 2, True),  # differs from action to action alone
        (torch.full((6,), torch.nan), True),
        (50 + 1e-6 * torch.arange(6.0, dtype=torch.float64), True),
    ):
        model.predictions = {"regression": prediction.double()}
        assert model.has_collapsed(queries) is collapsed


def test_it_learns_its_clips_by_heart(tmp_path: Path) -> None:
    data = Demo(root=str(tmp_path), clips=96, frames_per_clip=12, batch_size=32, exemplar_pairs=ExemplarRule(320))
    data.prepare_data()
    data.setup("fit")
    torch.manual_seed(0)
    model = ExemplarRegression(Coordinates(12, 1), partial(CoRe, hidden=64, pooling="concatenate"), lr=2e-3)
    loader = data.train_dataloader()
    assert isinstance(loader, ExemplarLoader)
    model.head.learn_scores(*data.training_scores())
    optimizer = model.configure_optimizers()
    for epoch in range(60):
        loader.sampler.set_epoch(epoch)
        for i, batch in enumerate(loader):
            optimizer.zero_grad()
            model.training_step(batch, i).backward()
            optimizer.step()
    with torch.no_grad():
        for clips_of_batch in data.val_dataloader()[0]:
            model.predict_step(clips_of_batch, 0)
        clips = model.exemplars.gather()
        said = model.scorers[0](clips, clips)
    sixteen = clips[clips.action == 0]
    assert len(sixteen) > 8
    assert scipy_rho(said[clips.action == 0], sixteen.score) > 0.98


def test_repeating_every_frame_changes_no_prediction(tmp_path: Path) -> None:
    """On timed sports the length of a clip is its score."""
    words = options("speed21.yaml", tmp_path / "a")
    root = Path(words[2].partition("=")[2])
    repeat_every_frame(root, tmp_path / "twice", 2)
    columns = []
    for name, place in (("once", root), ("twice", tmp_path / "twice")):
        own = ["--config", "speed21.yaml", "--config", "core.yaml", f"--data.root={place}"]
        own += [
            f"--data.cache={tmp_path / name / 'cache'}",
            f"--trainer.logger.folder={tmp_path / name / 'run'}",
            *FAST,
        ]
        assert run.main(["fit", *own]) == 0
        assert run.main(["test", *own, f"--ckpt_path={tmp_path / name / 'run' / 'checkpoints' / 'best.ckpt'}"]) == 0
        columns.append(pq.read_table(tmp_path / name / "run" / "test" / "predictions.parquet").to_pydict())
    assert columns[0] == columns[1]
    assert len(set(columns[0]["regression"])) > 1


DEMO = ["--config", "demo.yaml"]
CORE = [*DEMO, "--config", "core.yaml"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*CORE, "--model.exemplars=0"], "exemplars at least 1"),
        ([*CORE, "--model.head.depth=1"], "CoRe: depth must lie in [2, 10]"),
        ([*CORE, "--model.head.dept=4"], "depth"),
        ([*CORE, "--model.source.length=61"], "windows of 61 poses do not fit into 60 poses a clip"),
        ([*CORE, "--data.exemplar_pairs.pairs_per_epoch=0"], "pairs_per_epoch must be at least 1, got 0"),
        ([*CORE, "--data.features=nowhere"], "nowhere: no feature cache there"),
        ([*DEMO, "--config", "tpt.yaml", "--model.head.model_width=30"], "model_width must be a multiple of 8"),
        ([*DEMO, "--data.exemplar_pairs={}"], "PoseSimilarity learns from pairs of poses"),
        ([*DEMO, "--config", "core_features.yaml"], "takes features, the data serve poses; give --data.features"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPO)
    more = [f"--data.root={tmp_path / 'demo'}", "--data.clips=48", f"--trainer.logger.folder={tmp_path / 'run'}", *FAST]
    assert run.main(["fit", *words, *more]) == 2
    errors = capsys.readouterr().err
    assert said in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_an_encoder_trained_on_other_labels_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*options("keypoint_folder.yaml", tmp_path), *FAST]
    assert run.main(["fit", *words, f"--trainer.logger.folder={tmp_path / 'trained'}"]) == 0
    (labels,) = (word.partition("=")[2] for word in words if word.startswith("--data.labels_csv="))
    other = Path(labels).with_name("other.csv")
    other.write_bytes(Path(labels).read_bytes())
    checkpoint = tmp_path / "trained" / "checkpoints" / "best.ckpt"
    words[2:2] = ["--config", "core.yaml", "--config", "trained_source.yaml"]
    words += [f"--model.source.checkpoint={checkpoint}", f"--trainer.logger.folder={tmp_path / 'run'}"]
    assert run.main(["fit", *words]) == 0
    capsys.readouterr()
    assert run.main(["fit", *words, f"--data.labels_csv={other}"]) == 2
    assert f"trained with data.labels_csv = {labels}, here it is {other}" in capsys.readouterr().err


def test_options_are_compared_as_they_were_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo's `clips` is a number in a config, and a list of labels once the data are there."""
    words = [*options("demo.yaml", tmp_path), *FAST]
    assert run.main(["fit", *words, f"--trainer.logger.folder={tmp_path / 'trained'}"]) == 0
    words[2:2] = ["--config", "core.yaml", "--config", "trained_source.yaml"]
    words += [f"--model.source.checkpoint={tmp_path / 'trained' / 'checkpoints' / 'best.ckpt'}"]
    capsys.readouterr()
    assert run.main(["fit", *words, f"--trainer.logger.folder={tmp_path / 'run'}", "--data.clips=54"]) == 2
    assert "trained with data.clips = 48, here it is 54" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
