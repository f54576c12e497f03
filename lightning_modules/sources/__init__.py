"""Sources of clip features: from poses or cached features to what heads compare; pure modules."""

from lightning_modules.sources.cached import CachedFeatures
from lightning_modules.sources.coordinates import Coordinates
from lightning_modules.sources.embeddings import PoseEmbeddings
from lightning_modules.sources.sequences import PoseSequences
from lightning_modules.sources.trained_encoder import TrainedEmbeddings

__all__ = ["CachedFeatures", "Coordinates", "PoseEmbeddings", "PoseSequences", "TrainedEmbeddings"]
