import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from lightning import Trainer

from datamodules.demo import Demo
from errors import InputError
from lightning_modules.encoders import GCNEncoder, MLPEncoder
from lightning_modules.pose_similarity import PoseSimilarity
from scoring.reference import ReferenceScorer
from scoring.ridge import RidgeScorer
from scoring.scorers import ClipScorer
from scoring.vote import VoteScorer


def model(**options: Any) -> PoseSimilarity:
    return PoseSimilarity(
        options.pop("encoder", MLPEncoder()), [ReferenceScorer(), VoteScorer(), RidgeScorer()], **options
    )


def choices(module: PoseSimilarity) -> list[int]:
    return [int(cast(ClipScorer, scorer).chosen) for scorer in module.scorers]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(root=str(tmp_path_factory.mktemp("demo")), clips=48)


def trainer(tmp_path: Path, **options: Any) -> Trainer:
    return Trainer(
        default_root_dir=tmp_path, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, accelerator="cpu", **options,
    )  # fmt: skip


def test_the_training_loss_is_equation_4(data: Demo) -> None:
    torch.manual_seed(0)
    module = model(margin=0.9)
    poses, similar = torch.rand(2, 7, 15, 2), torch.tensor([1.0, 0, 1, 0, 0, 1, 0])
    first, second = (module.encoder(part).detach() for part in poses)
    expected = 0.0
    for a, b, y in zip(first.double(), second.double(), similar.tolist(), strict=True):
        d = 1 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
        expected += (0.5 * y * d * d + 0.5 * (1 - y) * max(0.0, 0.9 - d) ** 2) / 7
    loss = module.training_step({"poses": poses, "similar": similar}, 0)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_forward_keeps_leading_dimensions() -> None:
    assert model()(torch.rand(3, 4, 15, 2)).shape == (3, 4, 50)


def test_it_learns_and_what_it_chose_is_kept(data: Demo, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = model(lr=1e-2)
    fitting = trainer(tmp_path, max_epochs=2, limit_train_batches=30)
    fitting.fit(module, datamodule=data)
    metrics = fitting.callback_metrics
    assert metrics["val/collapsed"] == 0
    assert metrics["val/spearman"] == metrics["val/spearman_reference"]
    assert metrics["val/spearman_best"] >= metrics["val/spearman"]
    assert 0 < metrics["val/spread"] < 1
    chosen = choices(module)
    other = model()
    other.load_state_dict(module.state_dict())
    assert choices(other) == chosen

    trainer(tmp_path).test(other, datamodule=data, verbose=False)
    evaluation = other.evaluation
    assert evaluation is not None
    assert [row.name for row in evaluation.rows][:3] == ["reference", "vote", "ridge"]
    assert choices(other) == chosen  # nothing is chosen on the test part
    assert evaluation.synthetic
    assert len(evaluation.table.clip) == evaluation.clips == 12


def test_collapse_is_said_and_recorded(data: Demo, tmp_path: Path) -> None:
    module = model(encoder=GCNEncoder())
    with torch.no_grad():
        for layer in module.encoder.convolutions[::2]:  # type: ignore[index]
            layer.lin.weight.fill_(-1)  # every ReLU is dead
    fitting = trainer(tmp_path, max_epochs=1, limit_train_batches=1)
    with pytest.warns(UserWarning, match=r"The embeddings have collapsed.*--model\.encoder\.channels 16"):
        fitting.fit(module, datamodule=data)
    assert fitting.callback_metrics["val/collapsed"] == 1
    assert module.collapsed
    assert math.isnan(fitting.callback_metrics["val/spearman"])  # undefined, not zero


def test_a_checkpoint_of_another_model_is_refused() -> None:
    checkpoint = {"state_dict": model().state_dict()}
    with pytest.raises(InputError, match=r"checkpoint is of another model: encoder\.\S+ is absent there"):
        model(encoder=GCNEncoder()).on_load_checkpoint(checkpoint)
    with pytest.raises(InputError, match=r"is \(50,\) there and \(9,\) in this config"):
        model(encoder=MLPEncoder(embedding=9)).on_load_checkpoint(checkpoint)


@pytest.mark.parametrize("wrong", [{"margin": 0}, {"margin": 2.1}, {"lr": 0}, {"lr": math.nan}, {"margin": math.nan}])
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="margin must lie in"):
        model(**wrong)


def test_scorers_are_needed_and_differ() -> None:
    wrong: list[list[ClipScorer]] = [[], [ReferenceScorer(), ReferenceScorer()]]
    for scorers in wrong:
        with pytest.raises(InputError, match="give at least one, and none twice"):
            PoseSimilarity(MLPEncoder(), scorers)
