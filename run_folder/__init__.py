"""The folder of a run: the name, writer and reader of every file in it, and a trained model loaded again.

`from run_folder import load_model` works anywhere, without Lightning.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from run_folder.trained_model import SHIPPED, TrainedModel, load_model

__all__ = ["SHIPPED", "TrainedModel", "load_model"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from run_folder import trained_model

        return getattr(trained_model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
