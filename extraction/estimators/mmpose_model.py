"""An mmpose model from its config, with its weights: published ones, a local file's, or random ones."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from errors import InputError
from extraction.engines import Network
from extraction.estimators.heatmaps import decode_msra
from extraction.estimators.mmpose_shim import stand_ins
from extraction.estimators.warp import Warp
from extraction.types import Floats, Weights
from extraction.weights.blazepose_weights import cache_folder
from extraction.weights.weight_files import fetched, fill, load_state_dict, sha256_of
from poses.skeleton import KEYPOINTS, Source

with stand_ins():
    import mmengine
    import mmpose
    from mmengine import Config as Config
    from mmpose.apis import init_model
    from mmpose.apis.inference import dataset_meta_from_config

RANDOM: Final = "random"
SEED: Final = 0
LICENCE: Final = "Apache-2.0"  # of mmpose and of the weights that it publishes
SIZES: Final = {"coco": "256x192", "mpii": "256x256"}

_OTHER_STEPS: Final = {"LoadImage", "PackPoseInputs"}  # of a test pipeline; they change no pixel
_PUBLISHED: Final = re.compile(r"-([0-9a-f]{8})_\d{8}\.pth$")  # the SHA-256's beginning, and the date


@dataclass(frozen=True)
class PoseModel:
    """A top-down model and what mmpose does before and after it.

    Attributes:
        name: of its config.
        network: from crops to what the codec decodes.
        warp: how people are cut out.
        decoding: from what the network says to keypoints.
        layout: of the keypoints.
        weights: which weights the network has.
    """

    name: str
    network: Network
    warp: Warp
    decoding: "Decoding"
    layout: Source
    weights: Weights

    def state_dict(self) -> dict[str, Tensor]:
        """The weights, named as in mmpose's checkpoints."""
        return {name.removeprefix("model."): value for name, value in self.network.body.state_dict().items()}


class Body(nn.Module):
    """An mmpose model from normalised images to what its codec decodes.

    Args:
        model: a top-down pose estimator.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Images [B, 3, h, w] to heatmaps [B, K, H, W], with most heads."""
        said: Tensor | tuple[Tensor, ...] = self.model.head(self.model.extract_feat(images))
        return said


class Decoding:
    """Decodes with the codec of a model's head: MSRA's heatmaps all at once, others by mmpose's own code one by one.

    Args:
        codec: mmpose's.
        keep: which of the decoded keypoints are given, None for all.
    """

    def __init__(self, codec: Any, keep: list[int] | None) -> None:
        self._codec = codec
        self._keep = keep
        self._msra = type(codec).__name__ == "MSRAHeatmap"
        self._blur: int | None = codec.blur_kernel_size if self._msra and codec.unbiased else None

    def __call__(self, raw: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Keypoints [B, K, 2] where mmpose's codecs put them in the crop, and their scores [B, K]."""
        if self._msra:
            xy, score = decode_msra(raw[0], self._blur)
            xy *= self._codec.scale_factor
        else:
            found = [self._codec.decode(*(part[i] for part in raw)) for i in range(len(raw[0]))]
            xy = np.stack([keypoints[0] for keypoints, _ in found]).astype(np.float32)
            # some codecs say how visible a keypoint is beside how sure it is
            scores = [score[0] if isinstance(score, tuple) else score for _, score in found]
            score = np.stack([one[0] for one in scores]).astype(np.float32)
        return (xy, score) if self._keep is None else (xy[:, self._keep], score[:, self._keep])


def shipped_config(model: str, dataset: str) -> Path:
    """Config of an HRNet that comes with mmpose.

    Args:
        model: w32 or w48.
        dataset: coco or mpii.
    """
    folder = Path(mmpose.__file__).parent / ".mim" / "configs" / "body_2d_keypoint" / "topdown_heatmap" / dataset
    # plain training: others have a name before the number of GPUs
    (path,) = folder.glob(f"td-hm_hrnet-{model}_[0-9]*-210e_{dataset}-{SIZES[dataset]}.py")
    return path


def build(config: Path, weights: str | None, flip_test: bool) -> PoseModel:
    """Build the model of a config and load its weights.

    Args:
        config: an mmpose config. It is Python, which mmengine runs: use configs whose origin you trust.
        weights: a checkpoint's path, `RANDOM`, or None for those that mmpose published for this config.
        flip_test: see `Network`.

    Raises:
        InputError: no such config, or not one of a top-down model; no such weights, or not of this model.
    """
    if not config.is_file():
        raise InputError(f"{config}: no such config; give the path of an mmpose config")
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where the keypoints' names are looked up
            torch.manual_seed(SEED)
            settings = Config.fromfile(config)
            model: Any = init_model(settings, device="cpu")
            names = dataset_meta_from_config(settings, "test")["keypoint_id2name"]
        warp = _warp(settings.test_dataloader.dataset.pipeline)
        network = _network(model, flip_test)
        decoding = Decoding(model.head.decoder, model.test_cfg.get("output_keypoint_indices", None))
    except InputError as error:
        raise InputError(f"{config}: {error}") from None
    except Exception as error:  # a config is a program: it can fail in any way
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{config}: no config of a top-down model ({type(error).__name__}: {reason})") from error
    used = _load(model, config, weights)
    return PoseModel(config.stem, network, warp, decoding, _layout(config, names), used)


def _warp(pipeline: list[dict[str, Any]]) -> Warp:
    steps = {getattr(step["type"], "__name__", step["type"]): step for step in pipeline}
    if unknown := steps.keys() - _OTHER_STEPS - {"GetBBoxCenterScale", "TopdownAffine"}:
        raise InputError(f"its test pipeline has a step {min(unknown)}, which changes crops in a way not known here")
    affine = steps["TopdownAffine"]
    width, height = affine["input_size"]
    return Warp((width, height), steps["GetBBoxCenterScale"].get("padding", 1.25), affine.get("use_udp", False))


def _network(model: Any, flip_test: bool) -> Network:
    before = model.data_preprocessor
    if flip_test and (
        type(model.head).__name__ != "HeatmapHead" or model.test_cfg.get("flip_mode", "heatmap") != "heatmap"
    ):
        raise InputError("its heatmaps cannot be mirrored by changing channels; leave flip_test off")
    return Network(
        Body(model),
        mean=before.mean.flatten().tolist(),
        std=before.std.flatten().tolist(),
        rgb=before._channel_conversion,  # mmpose reads images as BGR
        flip=model.dataset_meta["flip_indices"] if flip_test else None,
        shift=model.test_cfg.get("shift_heatmap", False),
    )


def _layout(config: Path, names: dict[int, str]) -> Source:
    for layout, ours in KEYPOINTS.items():
        if tuple(names[number] for number in sorted(names)) == ours:
            return layout
    raise InputError(f"{config}: its {len(names)} keypoints are in no layout known here; use a COCO or MPII config")


def _load(model: nn.Module, config: Path, weights: str | None) -> Weights:
    if weights == RANDOM:
        return Weights(f"random (seed {SEED}), not trained", None, LICENCE)
    published = _published(config)
    if weights is None:
        if published is None:
            raise InputError(f"{config}: mmpose publishes no weights for this config; name a checkpoint as `weights`")
        url, prefix = published
        folder = cache_folder() / "mmpose"
        path = fetched(
            url,
            prefix,
            folder,
            "put the file there yourself, give a local file (--pose.estimator.init_args.weights), "
            "or do without it (--config blazepose.yaml)",
        )
    else:
        path = Path(weights)
    sha256 = sha256_of(path)
    state = load_state_dict(path)
    fill(model, state, path, config.stem, "give weights that were made with this config")
    known = published is not None and sha256.startswith(published[1])
    return Weights(path.name, sha256, LICENCE if known else "unknown")


def _published(config: Path) -> tuple[str, str] | None:
    """Address of the weights that mmpose publishes for a config of its own, and the beginning of their SHA-256."""
    if not config.is_relative_to(Path(mmpose.__file__).parent):
        return None
    for index in sorted(config.parent.glob("*.yml")):
        for entry in mmengine.load(index)["Models"]:
            if entry["Config"].endswith(f"/{config.name}") and (match := _PUBLISHED.search(entry["Weights"])):
                return entry["Weights"], match[1]
    return None
