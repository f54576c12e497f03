"""Pose encoders: pure modules from poses [..., 15, C] to embeddings [..., E], chosen in a config by `class_path`.

`STGCNEncoder` takes windows of poses, [..., L, 15, C], in place of single poses.
"""

from lightning_modules.encoders.fourier import FourierEncoder
from lightning_modules.encoders.gcn import GCNEncoder
from lightning_modules.encoders.mlp import MLPEncoder
from lightning_modules.encoders.residual_gcn import ResidualGCNEncoder
from lightning_modules.encoders.stgcn import STGCNEncoder

__all__ = ["FourierEncoder", "GCNEncoder", "MLPEncoder", "ResidualGCNEncoder", "STGCNEncoder"]
