"""Pose encoders: pure modules from poses [..., 15, C] to embeddings [..., E], chosen in a config by `class_path`.

`STGCNEncoder` takes windows of poses, [..., L, 15, C], in place of single poses.
"""

from lightning_modules.encoders.gcn import GCNEncoder
from lightning_modules.encoders.residual_gcn import ResidualGCNEncoder
from lightning_modules.encoders.stgcn import STGCNEncoder
from lightning_modules.encoders.without_graph import FourierEncoder, MLPEncoder

__all__ = ["FourierEncoder", "GCNEncoder", "MLPEncoder", "ResidualGCNEncoder", "STGCNEncoder"]
