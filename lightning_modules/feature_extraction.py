"""Making clip features under `Trainer.predict`: every process takes clips of its own."""

from collections.abc import Callable, Generator, Iterable, Sequence

from clip_features.ledger import FeatureLedger
from clip_features.pipeline import ClipFeatures, FeaturePipeline
from datamodules.media import ClipMedia
from keypoints.clip_poses import FailedClip
from lightning_modules.extraction import CacheFilling


class FeatureExtraction(CacheFilling):
    """Fills a feature cache; see `CacheFilling`.

    Args:
        pipeline: from media to features.
        ledger: the cache.
        clips: whose features are made.
        through: is told of every clip that is through, here or elsewhere.
        looked: is told after every batch of the network how many windows it held.
    """

    def __init__(
        self,
        pipeline: FeaturePipeline,
        ledger: FeatureLedger,
        clips: Sequence[ClipMedia],
        through: Callable[[], None],
        looked: Callable[[int], None],
    ) -> None:
        super().__init__(ledger, clips, through)
        self.pipeline = pipeline
        self.choose = ledger.choose
        self.looked = looked

    def place(self, device: str) -> None:
        """See `CacheFilling`."""
        self.pipeline.place(device)

    def made(self, clips: Iterable[ClipMedia]) -> Generator[ClipFeatures | FailedClip, None, None]:
        """See `CacheFilling`."""
        return self.pipeline.run(clips, choose=self.choose, looked=self.looked)
