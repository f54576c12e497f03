"""Making clip features under `Trainer.predict`: every process takes clips of its own."""

from collections.abc import Callable, Generator, Iterable, Sequence

from extraction.features.feature_ledger import FeatureLedger
from extraction.features.feature_pipeline import ClipFeatures, FeaturePipeline
from extraction.filling import CacheFilling
from extraction.people.clip_poses import FailedClip
from extraction.reading.media import ClipMedia


class FeatureExtraction(CacheFilling):
    """Fills a feature cache.

    Args:
        pipeline: from media to features.
        ledger: the cache.
        clips: whose features are made.
        through, looked: see `CacheFilling`.
    """

    def __init__(
        self,
        pipeline: FeaturePipeline,
        ledger: FeatureLedger,
        clips: Sequence[ClipMedia],
        through: Callable[[], None],
        looked: Callable[[int], None],
    ) -> None:
        super().__init__(pipeline, ledger, clips, through, looked)
        self.pipeline = pipeline

    def made(self, clips: Iterable[ClipMedia]) -> Generator[ClipFeatures | FailedClip, None, None]:
        """See `CacheFilling`."""
        return self.pipeline.run(clips, choose=self.ledger.choose, looked=self.looked)
