"""Which clips of a feature cache are done, and who is at work on which."""

from collections.abc import Sequence
from typing import Any

from errors import InputError
from extraction.features.feature_pipeline import ClipFeatures
from extraction.ledger import ClipLedger
from extraction.reading.media import ClipMedia
from poses.cache.feature_cache import FeatureProvenance, OtherKind, read_feature_provenance, write_features


class FeatureLedger(ClipLedger[FeatureProvenance, ClipFeatures]):
    """The state of a feature cache that is being filled."""

    compared = ("source", "extractor", "weights_sha256")
    seen = "windows"
    verb = "done"

    def stored(self, media: ClipMedia) -> FeatureProvenance | None:
        """See `ClipLedger`.

        Raises:
            OtherKind: a clip of a keypoint cache lies in its place, which must not be overwritten.
        """
        try:
            return read_feature_provenance(self.cache, media.clip_id)
        except OtherKind:
            raise
        except InputError:
            return None

    def _store(self, made: ClipFeatures, provenance: FeatureProvenance) -> None:
        """Write a clip and its record."""
        self._note(made.media, {"status": "done", "frames": made.frames, "windows": len(made.features)})
        write_features(self.cache, made.media.clip_id, made.features, provenance)

    def totals(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """See `ClipLedger`."""
        return {name: sum(record[name] for record in records) for name in ("frames", "windows")}

    def in_words(self, totals: dict[str, Any]) -> list[str]:
        """See `ClipLedger`."""
        return [f"frames: {totals['frames']}, seen in {totals['windows']} windows"]
