"""Imports mmpose's API where mmcv's compiled operations and MMDetection are not installed.

`mmpose.apis` imports every head, and two of them want `mmcv._ext` (EDPose) and `mmdet.utils` (RTMO). HRNet uses
neither.
"""

import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class _NoOperations(ModuleType):
    """Stands for mmcv's compiled operations: every name is there, and raises when it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(f"{name} is one of mmcv's compiled operations, which mmcv-lite comes without")

        return refuse


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """While it is open, imports of what is not installed find stand-ins; afterwards nothing of them is left."""
    missing: dict[str, ModuleType] = {}
    if not _installed("mmcv._ext"):
        missing["mmcv._ext"] = _NoOperations("mmcv._ext")
    if not _installed("mmdet"):
        package, utils = ModuleType("mmdet"), ModuleType("mmdet.utils")
        vars(utils).update(ConfigType=dict[str, Any], reduce_mean=None)
        vars(package).update(utils=utils, __path__=[])
        missing |= {"mmdet": package, "mmdet.utils": utils}
    sys.modules.update(missing)
    try:
        with warnings.catch_warnings():
            # mmengine still asks setuptools for versions, which says so to whoever imports it
            warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
            yield
    finally:
        for name in missing:  # others ask whether MMDetection is there, and must not be told that it is
            del sys.modules[name]


def _installed(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None
