"""What libraries say that is no news for a user is kept from the screen: each such line, and why, stands here.

Imports nothing heavy: it is to be called before anything else is imported.
"""

import logging
import re
import warnings
from collections.abc import Callable

LINES = {
    # of other products of Lightning's maker
    "lightning.pytorch.utilities.rank_zero": "💡 Tip: ",
    # no encoder has operators of torchvision
    "torch.onnx._internal.exporter._registration": "torchvision is not installed",
}
WARNINGS = (
    # Lightning and torch.export call torch in a way that a newer torch will not know; what they do is right
    "`isinstance(treespec, LeafSpec)` is deprecated",
    # of an epoch the mean is logged, however few steps it has
    "The number of training batches (",
)


def hush() -> None:
    """Keep those lines from the screen, in this process."""
    for name, start in LINES.items():
        logging.getLogger(name).addFilter(_all_but(start))
    for message in WARNINGS:
        warnings.filterwarnings("ignore", re.escape(message))


def _all_but(start: str) -> Callable[[logging.LogRecord], bool]:
    return lambda record: not record.getMessage().startswith(start)
