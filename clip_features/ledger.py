"""Which clips of a feature cache are done, and who is at work on which."""

from dataclasses import replace

from clip_features.pipeline import ClipFeatures, prepare
from clip_features.types import Extractor
from datamodules.feature_cache import FeatureProvenance, OtherKind, read_feature_provenance, write_features
from datamodules.media import ClipMedia
from errors import InputError
from keypoints.clip_poses import FailedClip
from keypoints.ledger import ClipLedger
from keypoints.types import Image


class FeatureLedger(ClipLedger[FeatureProvenance]):
    """The state of a feature cache that is being filled."""

    compared = ("source", "extractor", "weights_sha256")

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

    def write(self, made: ClipFeatures) -> None:
        """Write a clip and its record, and release it; it has failed if its media are gone by now.

        Raises:
            InputError: the disk is full, or the cache cannot be written to.
        """
        media = made.media
        try:
            made_from = self._fingerprint(media)
        except InputError as error:
            self.fail(FailedClip(media, str(error)))
            return
        self._note(media, {"status": "done", "frames": made.frames, "windows": len(made.features)})
        provenance = replace(self.provenance, settings=self._settings(), media=made_from)
        write_features(self.cache, media.clip_id, made.features, provenance)
        self._release(media)

    def choose(self, extractor: Extractor, windows: Image) -> None:
        """Let an extractor choose a precision on the first windows; see `decide`."""
        self.decide(lambda before: prepare(extractor, windows, before))
