"""HRNet against mmpose itself, its engines against each other, and what is refused."""

import gc
import importlib.util
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.people import Person, turned, turned_box, turned_points
from errors import InputError
from extraction.types import Floats, Image, Keypoints
from poses.skeleton import KEYPOINTS
from tests.extraction.annotated_people import annotated
from tests.extraction.estimators.test_heatmaps import many

if importlib.util.find_spec("mmpose") is None:
    pytest.skip("needs the packages of requirements.txt (`make full` makes their environment)", allow_module_level=True)

import mmengine
from mmengine.dataset import Compose

from extraction.engines.openvino_engine import OpenVINOEngine
from extraction.engines.torch_engine import TorchEngine
from extraction.estimators import mmpose_model
from extraction.estimators.hrnet import HRNet
from extraction.estimators.mmpose_model import Decoding, build, shipped_config
from extraction.estimators.mmpose_shim import stand_ins

with stand_ins():
    from mmpose.apis import inference_topdown, init_model
    from mmpose.registry import KEYPOINT_CODECS

FASTEST = TorchEngine.precisions(torch.device("cpu"))[0]

# Decoding moves a quarter of a cell to one side or the other: where both neighbours are alike, any noise moves a joint
# by half a cell, two pixels of the crop, along one axis or both.
QUARTERS = 2 * 2**0.5 / (256 / 1.25) + 1e-4

needs_bf16 = pytest.mark.skipif(FASTEST != "bf16", reason="this processor has no bf16")


def placed(**options: Any) -> HRNet:
    estimator = HRNet(**options)
    estimator.place("cpu")
    return estimator


def ours(estimator: HRNet, people: Sequence[Person], turns: int = 0) -> Keypoints:
    crops = [estimator.crop(person.image, person.box, turns=turns) for person in people]
    found = [
        estimator.decode(estimator.network(np.stack([crop.pixels for crop in some])), some)
        for some in (crops[i : i + estimator.batch] for i in range(0, len(crops), estimator.batch))
    ]
    return Keypoints(np.concatenate([one.xy for one in found]), np.concatenate([one.confidence for one in found]))


def theirs(model: Any, people: Sequence[Person]) -> tuple[Floats, Floats]:
    """Keypoints and scores of people by mmpose's own way, which wants BGR."""
    found = [
        inference_topdown(model, person.image[..., ::-1].copy(), person.box[None])[0].pred_instances
        for person in people
    ]
    return np.concatenate([one.keypoints for one in found]), np.concatenate([one.keypoint_scores for one in found])


def shares(found: Keypoints, people: Sequence[Person], layout: Any = "coco17") -> Floats:
    """How far annotated joints are off, as shares of the box's longer side."""
    rows = [[KEYPOINTS[layout].index(name) for name in person.names] for person in people]
    off = [
        np.linalg.norm(found.xy[i, rows[i]] - person.joints, axis=1) / person.size for i, person in enumerate(people)
    ]
    return np.asarray(np.concatenate(off), np.float32)


def config_of(name: str) -> Path:
    return shipped_config("w32", "coco").parents[1] / name.split("_")[-1].split("-")[0] / f"{name}.py"


UDP = "td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192"
DARK = "td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192"


# Equal to mmpose ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coco", "mpii", UDP])
def test_crops_are_those_of_the_config_to_the_last_bit(name: str) -> None:
    path = shipped_config("w32", name) if len(name) == 4 else config_of(name)
    model = build(path, "random", flip_test=False)
    pipeline = Compose(mmengine.Config.fromfile(path).test_dataloader.dataset.pipeline)
    for person in (*annotated("coco"), *annotated("mpii")):
        data = {"img": person.image, "bbox": person.box[None], "bbox_score": np.ones(1, np.float32)}
        wanted = pipeline(data)["inputs"].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(model.warp.cut(person.image, person.box, 0).pixels, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "MSRAHeatmap", "sigma": 2},
        {"type": "MSRAHeatmap", "sigma": 2, "unbiased": True},
        {"type": "UDPHeatmap", "sigma": 2},
    ],
)
def test_decoding_is_that_of_the_codec(options: dict[str, Any]) -> None:
    codec = KEYPOINT_CODECS.build({"input_size": (192, 256), "heatmap_size": (48, 64), **options})
    heatmaps = many(np.random.default_rng(0))
    heatmaps = heatmaps[:8] if options.get("unbiased") else heatmaps  # flat maps: mmpose divides by 0
    xy, score = Decoding(codec, None)((heatmaps,))
    for i, one in enumerate(heatmaps):
        wanted, scores = codec.decode(one)
        near = np.abs(wanted[0]).max(axis=1) < 1000  # farther: a division by next to nothing
        np.testing.assert_allclose(xy[i][near], wanted[0][near], atol=0.02)
        np.testing.assert_allclose(score[i], scores[0])


@pytest.mark.parametrize(("dataset", "flip_test"), [("coco", False), ("coco", True), ("mpii", False)])
def test_keypoints_are_mmposes(tmp_path: Path, dataset: Any, flip_test: bool) -> None:
    people = annotated("coco")
    torch.manual_seed(1)
    model = init_model(str(shipped_config("w32", dataset)), device="cpu")
    model.test_cfg["flip_test"] = flip_test
    torch.save({"state_dict": model.state_dict()}, tmp_path / "weights.pth")
    weights = str(tmp_path / "weights.pth")
    estimator = placed(dataset=dataset, weights=weights, flip_test=flip_test, precision="fp32", engine="torch", batch=4)
    found = ours(estimator, people)
    wanted, scores = theirs(model, people)
    assert np.abs(found.xy - wanted).max() < 0.05
    np.testing.assert_allclose(found.confidence, scores.clip(0, 1), atol=1e-4)


@pytest.mark.parametrize("name", [UDP, DARK])
def test_other_codecs_give_mmposes_keypoints(narrow_hrnet: dict[str, str], tmp_path: Path, name: str) -> None:
    people = annotated("coco")[:4]
    config = mmengine.Config.fromfile(config_of(name))
    config.model.backbone = mmengine.Config.fromfile(narrow_hrnet["config"]).model.backbone
    config.model.head.in_channels = config.model.backbone.extra.stage4.num_channels[0]
    config.dump(str(tmp_path / "config.py"))
    weights = narrow_hrnet["weights"]
    model = init_model(str(tmp_path / "config.py"), weights, device="cpu")
    model.test_cfg["flip_test"] = False
    found = ours(placed(config=str(tmp_path / "config.py"), weights=weights, precision="fp32", engine="torch"), people)
    seen = found.confidence > 0.2  # the curvature of a flat heatmap is next to nothing
    assert seen.sum() > 30
    assert np.abs(found.xy - theirs(model, people)[0])[seen].max() < 0.05


# Engines and precisions, on weights whose answers are known -----------------------------------------------------------


def test_the_whole_path_finds_what_was_annotated(narrow_hrnet: dict[str, str]) -> None:
    people = annotated("coco")
    found = ours(placed(**narrow_hrnet, precision="fp32"), people)
    assert shares(found, people).mean() < 0.02
    rows = [[KEYPOINTS["coco17"].index(name) for name in person.names] for person in people]
    assert np.concatenate([found.confidence[i, row] for i, row in enumerate(rows)]).min() > 0.2


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_crops_find_who_is_turned(narrow_hrnet: dict[str, str], turns: int) -> None:
    people = annotated("coco")
    lying = [
        Person(
            person.path,
            turned(person.image, turns),
            turned_box(person.box, person.image, turns),
            turned_points(person.joints, person.image, turns),
            person.names,
        )
        for person in people
    ]
    found = ours(placed(**narrow_hrnet, precision="fp32", engine="torch"), lying, turns)
    assert np.median(shares(found, lying)) < 0.02


@pytest.mark.parametrize(
    ("engine", "precision", "bound"),
    [
        ("openvino", "fp32", 0.0005),
        pytest.param("openvino", "bf16", QUARTERS, marks=needs_bf16),
        pytest.param("torch", "bf16", QUARTERS, marks=needs_bf16),
    ],
)
def test_other_engines_find_the_same(narrow_hrnet: dict[str, str], engine: Any, precision: Any, bound: float) -> None:
    """Drift of the annotated joints, as shares of the box's longer side."""
    people = annotated("coco")
    wanted = ours(placed(**narrow_hrnet, precision="fp32", engine="torch"), people)
    estimator = placed(**narrow_hrnet, precision=precision, engine=engine)
    found = ours(estimator, people)
    assert estimator.precision_in_use == precision
    rows = [[KEYPOINTS["coco17"].index(name) for name in person.names] for person in people]
    drift = [
        np.linalg.norm(found.xy[i, rows[i]] - wanted.xy[i, rows[i]], axis=1) / person.size
        for i, person in enumerate(people)
    ]
    assert np.percentile(np.concatenate(drift), 95) < bound


def first_crops(estimator: HRNet) -> Image:
    return np.stack([estimator.crop(person.image, person.box).pixels for person in annotated("coco")])


@needs_bf16
def test_the_fast_precision_has_to_prove_itself(narrow_hrnet: dict[str, str]) -> None:
    people = annotated("coco")
    fast, exact = (ours(placed(**narrow_hrnet, precision=precision), people) for precision in ("bf16", "fp32"))
    seen = (fast.confidence >= 0.2) | (exact.confidence >= 0.2)
    width, height = np.stack([person.box[2:] - person.box[:2] for person in people]).T
    to_crop = 256 / (1.25 * np.maximum(height, width / 0.75))
    drift = np.linalg.norm(fast.xy - exact.xy, axis=2) * to_crop[:, None] / (192 / 1.25)
    worst = np.sort(drift[seen])[int(np.ceil(0.95 * seen.sum())) - 1]
    estimator = placed(**narrow_hrnet)
    decision = estimator.prepare(first_crops(estimator), None)
    assert decision is not None
    assert decision.choice == estimator.precision_in_use == ("bf16" if worst < 0.005 else "fp32")
    assert decision.line.startswith(f"mmpose narrow_hrnet: openvino in {decision.choice}: bf16 moves 95 % of ")
    assert f" of {seen.sum()} joints by at most {100 * worst:.2f} % of the box" in decision.line
    forced = placed(**narrow_hrnet, precision=decision.choice)
    np.testing.assert_array_equal(ours(estimator, annotated("coco")).xy, ours(forced, annotated("coco")).xy)


@needs_bf16
def test_what_was_decided_before_is_not_proven_again(narrow_hrnet: dict[str, str]) -> None:
    estimator = placed(**narrow_hrnet)
    decision = estimator.prepare(first_crops(estimator), "fp32")
    assert decision is not None
    assert decision.choice == estimator.precision_in_use == "fp32"
    assert decision.line.endswith("as decided before")
    exact = placed(**narrow_hrnet, precision="fp32")
    assert exact.prepare(first_crops(estimator), "bf16") is None
    np.testing.assert_array_equal(ours(estimator, annotated("coco")).xy, ours(exact, annotated("coco")).xy)


def test_a_processor_without_a_fast_precision(narrow_hrnet: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVINOEngine, "precisions", staticmethod(lambda: ("fp32",)))
    estimator = placed(**narrow_hrnet)
    decision = estimator.prepare(first_crops(estimator), None)
    assert decision is not None
    assert decision.choice == "fp32"
    assert "no faster precision" in decision.line
    with pytest.raises(InputError, match="bf16 is not fast here"):
        placed(**narrow_hrnet).prepare(first_crops(estimator), "bf16")
    with pytest.raises(InputError, match="bf16 is not fast here"):
        placed(**narrow_hrnet, precision="bf16")


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_crop_depends_on_the_others_in_no_bit(narrow_hrnet: dict[str, str], engine: Any) -> None:
    estimator = placed(**narrow_hrnet, engine=engine, precision=FASTEST, batch=5)
    pixels = first_crops(estimator)
    (together,) = estimator.network(pixels[:5])
    for i in range(5):
        np.testing.assert_array_equal(estimator.network(pixels[i : i + 1])[0][0], together[i])
    np.testing.assert_array_equal(estimator.network(pixels[[7, 3, 8]])[0][1], together[3])


def test_the_torch_module_is_dropped_once_the_engine_runs(narrow_hrnet: dict[str, str]) -> None:
    estimator = placed(**narrow_hrnet, precision="fp32")
    assert estimator._runner._network is not None
    alive = weakref.ref(estimator._runner._network.body)
    estimator.network(first_crops(estimator)[:1])
    gc.collect()
    assert alive() is None


# Weights --------------------------------------------------------------------------------------------------------------


def test_which_weights_ran(narrow_hrnet: dict[str, str]) -> None:
    random = HRNet(weights="random")
    assert random.weights.name == "random (seed 0), not trained"
    assert random.weights.sha256 is None
    assert random.layout == "coco17"
    assert random.name == "mmpose td-hm_hrnet-w32_8xb64-210e_coco-256x192"
    file = HRNet(**narrow_hrnet)  # type: ignore[arg-type]
    assert file.weights.name == "narrow_hrnet.pth"
    assert file.weights.licence == "unknown"
    assert file.weights.sha256 is not None


def test_what_cannot_be_downloaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCN_PSN_CACHE", str(tmp_path))
    monkeypatch.setattr(mmpose_model, "_published", lambda config: ("http://127.0.0.1:9/w32-00000000.pth", "00000000"))
    with pytest.raises(InputError, match=r"cannot be downloaded .* blazepose.yaml") as error:
        HRNet()
    assert "\n" not in str(error.value)


def test_names_of_older_checkpoints_are_understood(narrow_hrnet: dict[str, str], tmp_path: Path) -> None:
    state = torch.load(narrow_hrnet["weights"], weights_only=True)["state_dict"]
    old = {name.replace("head.final_layer", "keypoint_head.final_layer"): value for name, value in state.items()}
    meta = {"sigmas": np.ones(17, np.float32)}
    torch.save({"state_dict": old, "meta": meta}, tmp_path / "old.pth")
    people = annotated("coco")
    options = {"config": narrow_hrnet["config"], "precision": "fp32", "engine": "torch"}
    found = ours(placed(**options, weights=str(tmp_path / "old.pth")), people)
    np.testing.assert_array_equal(found.xy, ours(placed(**options, weights=narrow_hrnet["weights"]), people).xy)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"state_dict": {"backbone.conv1.weight": torch.zeros(1)}}, "weights of another architecture"),
        ({"state_dict": {"keypoint_head.final_layer.0.weight": torch.zeros(1)}}, "weights of another architecture"),
        ({"state_dict": {"fc.weight": torch.zeros(1)}}, "weights of another architecture"),
        ({"state_dict": {"fc.weight": torch.zeros(1)}, "meta": Hostile()}, "refused"),
        ([1, 2], "no named tensors"),
    ],
)
def test_wrong_weights_get_one_line(
    narrow_hrnet: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=reason) as error:
        HRNet(config=narrow_hrnet["config"], weights=str(tmp_path / "weights.pth"))
    assert str(error.value).startswith(str(tmp_path / "weights.pth"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "hostile").exists()


def test_weights_of_the_wider_network_do_not_fit(narrow_hrnet: dict[str, str]) -> None:
    with pytest.raises(InputError, match="weights of another architecture"):
        HRNet(weights=narrow_hrnet["weights"])


# Other options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such config"),
        ("model = dict(", "no config of a top-down model"),
        ("a = 1", "no config of a top-down model"),
        ("_base_ = ['./absent.py']", "no config of a top-down model"),
    ],
)
def test_wrong_configs_get_one_line(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "config.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=reason) as error:
        HRNet(config=str(path), weights="random")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_of_ones_own_needs_weights(narrow_hrnet: dict[str, str]) -> None:
    with pytest.raises(InputError, match="mmpose publishes no weights"):
        HRNet(config=narrow_hrnet["config"])


@pytest.mark.parametrize(
    ("options", "device", "reason"),
    [
        ({"batch": 0}, "cpu", "at least one crop"),
        ({"engine": "openvino"}, "meta", "openvino runs on the processor"),
        ({}, "tpu of my neighbour", "no device"),
        ({"precision": "fp16", "engine": "torch"}, "cpu", "fp16 is not fast here"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], device: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        HRNet(weights="random", **options).place(device)
