"""Sources of clip features: from poses or cached features to what heads compare; pure modules."""

from lightning_modules.sources.feature_source import CachedFeatures
from lightning_modules.sources.pose_sources import Coordinates, PoseEmbeddings, PoseSequences, TrainedEmbeddings

__all__ = ["CachedFeatures", "Coordinates", "PoseEmbeddings", "PoseSequences", "TrainedEmbeddings"]
