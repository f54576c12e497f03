"""What a pose is: the skeleton, normalisation, tracks and batches of poses, and the caches that hold them.

`from poses import read_cache, convert, JOINTS` works anywhere; each name is looked up when it is first asked for, so
that the skeleton needs neither torch nor pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poses.cache.keypoint_cache import PoseTable, read_cache
    from poses.normalisation import Normalisation
    from poses.skeleton import BONES, JOINTS, KEYPOINTS, convert, flip

__all__ = ["BONES", "JOINTS", "KEYPOINTS", "Normalisation", "PoseTable", "convert", "flip", "read_cache"]


def __getattr__(name: str) -> Any:
    for module in ("skeleton", "normalisation", "cache.keypoint_cache"):
        if name in __all__ and hasattr(found := import_module(f"poses.{module}"), name):
            return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
