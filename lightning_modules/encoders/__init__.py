"""Pose encoders: pure modules from poses [..., 15, C] to embeddings [..., E], chosen in a config by `class_path`."""

from lightning_modules.encoders.fourier import FourierEncoder
from lightning_modules.encoders.gcn import GCNEncoder
from lightning_modules.encoders.mlp import MLPEncoder
from lightning_modules.encoders.residual_gcn import ResidualGCNEncoder

__all__ = ["FourierEncoder", "GCNEncoder", "MLPEncoder", "ResidualGCNEncoder"]
