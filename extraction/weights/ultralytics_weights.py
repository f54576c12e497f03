"""Reads the networks that ultralytics saves, without running anything that a file says.

A checkpoint of ultralytics is a pickle of whole modules. Here each object of it becomes a lifeless `_Part` that only
keeps its attributes; the network is built from the description among them (its `yaml`) and given their tensors.
"""

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from filelock import FileLock
from torch import Tensor, nn

from errors import InputError
from extraction.detectors.ultralytics_setup import set_up
from extraction.types import Weights
from extraction.weights.blazepose_weights import cache_folder

LICENCE: Final = "AGPL-3.0"
OTHERWISE: Final = "give a local file, or use --config given_boxes.yaml or --config blazepose.yaml"
PERSON: Final = "person"

_LAYERS_OF_TORCH: Final = {"nn.Upsample", "nn.Identity", "nn.MaxPool2d", "nn.ZeroPad2d", "nn.ConvTranspose2d"}
_DETECTORS: Final = {"Detect", "v10Detect"}
_ACTIVATION: Final = re.compile(r"(torch\.)?nn\.\w+\([\w\s=.,-]*\)")  # a call of a call does not match
_WIDEST: Final = 100  # what ultralytics goes to for the sake of many classes
_MOST_PARTS: Final = 100_000  # yolov5x6u has 1,300 modules
_EXPECTED: Final = re.compile(
    r"ultralytics\.[\w.]+|torch\.nn\.modules\.[\w.]+|pathlib\.[\w.]+|numpy\.dtype|numpy\.(_?)core\.multiarray\.scalar"
    r"|numpy\.dtypes\.\w+|builtins\.getattr|torchvision\.transforms\.[\w.]+"
)


class Detector(NamedTuple):
    """A network that finds objects, in fp32 and evaluation mode.

    Attributes:
        module: ultralytics' DetectionModel.
        names: of its classes.
        weights: for the provenance.
    """

    module: nn.Module
    names: dict[int, str]
    weights: Weights

    @property
    def person(self) -> int:
        """Number of the class of people.

        Raises:
            InputError: it has none.
        """
        for number, name in self.names.items():
            if name.strip().lower() == PERSON:
                return number
        if list(self.names.values()) == ["item"]:  # what ultralytics calls the one class of `single_cls`
            return next(iter(self.names))
        some = ", ".join(list(self.names.values())[:5])
        raise InputError(f"{self.weights.name}: finds no persons, its classes are {some}; {OTHERWISE}")


class _Part:
    """Stands for any object of a checkpoint: it keeps what it was given, and does nothing."""

    def __new__(cls, *_: object) -> "_Part":
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        self.state: Any = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def get(self, name: str) -> Any:
        """Attribute `name` of the object, None if it had none."""
        state = getattr(self, "state", None)
        return state.get(name) if isinstance(state, dict) else None


def load(weights: str) -> Detector:
    """The detector that `weights` names.

    Args:
        weights: path of a file that ultralytics saved; the name of one that it publishes, downloaded into the cache
            folder on first use; or the name of a description that it ships, such as yolov5su.yaml: random weights,
            always the same.

    Raises:
        InputError: no such weights, or a file that is no detector of ultralytics.
    """
    set_up()
    path = Path(weights)
    if path.suffix in (".yaml", ".yml"):
        return _random(path.name)
    if path.suffix != ".pt":
        raise InputError(f"{weights}: no weights of ultralytics, which end in .pt; {OTHERWISE}")
    return read(path if path.is_file() else _published(weights))


def read(path: Path) -> Detector:
    """The detector in a file, checked: anything else than a plain one of ultralytics is refused.

    Raises:
        InputError: see `load`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {OTHERWISE}") from error
    checkpoint = _unpickle(path, content)
    model = (checkpoint.get("ema") or checkpoint.get("model")) if isinstance(checkpoint, dict) else checkpoint
    if not isinstance(model, _Part):
        raise InputError(f"{path}: holds no network of ultralytics; {OTHERWISE}")
    found = Weights(path.name, hashlib.sha256(content).hexdigest(), LICENCE)
    names = _names(model.get("names"))
    if not names:
        raise InputError(f"{path}: has no names of classes; {OTHERWISE}")
    module = _build(path, model.get("yaml"), len(names))
    try:
        tensors = dict(_tensors(model, "", [0]))
        _widen(module, tensors)
        module.load_state_dict(tensors)
    except (RuntimeError, RecursionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its tensors do not fit to the network that it describes; {OTHERWISE}") from error
    return Detector(module.float().eval().requires_grad_(False), names, found)


def _unpickle(path: Path, content: bytes) -> Any:
    with _nothing_allowed():
        return _unpickle_parts(path, content)


@contextlib.contextmanager
def _nothing_allowed() -> Iterator[None]:
    """Without the classes that others registered for `torch.load`: ultralytics never takes its own back."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _unpickle_parts(path: Path, content: bytes) -> Any:
    try:
        wanted = set(torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(content)))
    except Exception as error:  # an arbitrary file makes the reader fail in arbitrary ways
        raise InputError(f"{path}: broken, or no checkpoint ({type(error).__name__}); {OTHERWISE}") from error
    if any(name.startswith(("models.", "utils.")) for name in wanted):
        raise InputError(
            f"{path}: made by the old YOLOv5 repository, which ultralytics cannot read; use the weights whose names "
            "end in u, such as yolov5su.pt"
        )
    if unexpected := sorted(name for name in wanted if not _EXPECTED.fullmatch(name)):
        raise InputError(f"{path}: refused, it wants {unexpected[0]}, which is no part of a detector; {OTHERWISE}")
    try:
        with torch.serialization.safe_globals([(_Part, name) for name in wanted]):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # likewise
        raise InputError(f"{path}: broken, or no checkpoint ({type(error).__name__}); {OTHERWISE}") from error


def _tensors(part: _Part, prefix: str, seen: list[int]) -> Iterator[tuple[str, Tensor]]:
    """What `state_dict` of the module would give."""
    seen[0] += 1
    if seen[0] > _MOST_PARTS:
        raise ValueError("too many modules")
    passing = part.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, tensor in (part.get(kind) or {}).items():
            if tensor is not None and name not in passing:
                yield f"{prefix}{name}", tensor
    for name, module in (part.get("_modules") or {}).items():
        if module is not None:
            yield from _tensors(module, f"{prefix}{name}.", seen)


def _widen(module: Any, tensors: dict[str, Tensor]) -> None:
    """Give the layers that tell classes apart the width that they have in a checkpoint.

    It follows from the number of classes, but a fine-tuned network keeps that of the one it was made of.
    """
    from ultralytics.nn.modules import Detect, v10Detect
    from ultralytics.utils.torch_utils import initialize_weights

    head = module.model[-1]
    for branch in (name for name in ("cv3", "one2one_cv3") if getattr(head, name, None) is not None):
        prefix = f"model.{len(module.model) - 1}.{branch}."
        last = len(getattr(head, branch)[0]) - 1
        width = tensors[f"{prefix}0.{last}.weight"].shape[1]
        if width == getattr(head, branch)[0][-1].in_channels:
            continue
        if not 0 < width <= _WIDEST:
            raise ValueError("too wide")
        channels = [layers[0].conv.in_channels for layers in head.cv2]
        # As wide as it has classes, if those are many.
        wider = (
            v10Detect(width, channels) if isinstance(head, v10Detect) else Detect(width, head.reg_max, False, channels)
        )
        wide = wider.cv3
        initialize_weights(wide)  # constants of the normalisation
        for layers in wide:
            layers[-1] = nn.Conv2d(layers[-1].in_channels, head.nc, 1)
        setattr(head, branch, wide)


def _names(names: Any) -> dict[int, str]:
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    return {number: str(name) for number, name in pairs if isinstance(number, int)}


def _build(path: Path, description: Any, classes: int) -> nn.Module:
    """The network that a checkpoint describes, its layers among those that ultralytics' detectors have."""
    import ultralytics.nn.modules as layers
    from ultralytics.nn.tasks import DetectionModel

    try:
        rows = [*description["backbone"], *description["head"]]
        kinds = [kind for _, _, kind, _ in rows]
        activation = description.get("activation")
        plain = all(
            kind in _LAYERS_OF_TORCH or (kind in layers.__all__ and kind != "TorchVision") for kind in kinds
        ) and (activation is None or _ACTIVATION.fullmatch(activation))
        if kinds[-1] not in _DETECTORS:
            raise InputError(f"{path}: ends in {kinds[-1]}, so it is no plain detector; {OTHERWISE}")
        if not plain or description.get("channels", 3) != 3:
            raise InputError(f"{path}: describes layers that no detector of ultralytics has; {OTHERWISE}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network: nn.Module = DetectionModel(description, ch=3, nc=classes or None, verbose=False)
    except InputError:
        raise
    except Exception as error:  # a wrong description makes the builder fail in arbitrary ways
        raise InputError(
            f"{path}: the network that it describes cannot be built ({type(error).__name__}); {OTHERWISE}"
        ) from error
    return network


def _random(name: str) -> Detector:
    from ultralytics.nn.tasks import yaml_model_load
    from ultralytics.utils.checks import check_yolov5u_filename

    try:
        description = yaml_model_load(check_yolov5u_filename(name, verbose=False))
    except Exception as error:
        raise InputError(f"{name}: ultralytics ships no such description; give one such as yolov5su.yaml") from error
    module = _build(Path(name), description, description["nc"])
    names = {number: PERSON if number == 0 else str(number) for number in range(description["nc"])}
    module.names = names  # type: ignore[assignment]  # torch declares its modules' attributes as modules or tensors
    weights = Weights(f"{name}, random", None, LICENCE)
    return Detector(module.eval().requires_grad_(False), names, weights)


def _published(name: str) -> Path:
    """The file of weights that ultralytics publishes, downloaded if need be."""
    from ultralytics.utils.checks import check_yolov5u_filename
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    name = check_yolov5u_filename(name, verbose=False)
    if name not in GITHUB_ASSETS_NAMES:
        raise InputError(f"{name}: no such file, and no weights that ultralytics publishes; {OTHERWISE}")
    path = cache_folder() / name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / ".ultralytics.lock"):
            if not path.is_file():
                print(f"downloading {name} from ultralytics into {path.parent}, once")
                attempt_download_asset(path)
    except Exception as error:  # of any kind, from requests and from ultralytics
        raise InputError(f"{name}: cannot be downloaded ({type(error).__name__}); {OTHERWISE}") from error
    if not path.is_file():
        raise InputError(f"{name}: cannot be downloaded; {OTHERWISE}")
    return path
