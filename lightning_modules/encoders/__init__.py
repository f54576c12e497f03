"""Pose encoders: pure `nn.Module`s from poses [B, 15, C] to embeddings [B, E], chosen in a config by `class_path`."""

from lightning_modules.encoders.gcn import GCNEncoder
from lightning_modules.encoders.mlp import MLPEncoder

__all__ = ["GCNEncoder", "MLPEncoder"]
