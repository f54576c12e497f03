"""Several PoseSimilarity models, trained as one: each with its own pairs, margin, learning rate and seed."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import torch
from lightning import LightningModule
from torch import Tensor

from lightning_modules.pose_similarity import PoseSimilarity
from lightning_modules.stacked.stacked_adam import StackedAdam, member_optimizer_state
from lightning_modules.stacked.stacked_encoders import member_state, stack_encoders
from poses.batches import ClipBatch, PairBatch
from scoring.losses import pair_losses


class MemberSource(Protocol):
    """What a member asks of its data module."""

    @property
    def headline(self) -> Literal["fisher", "pooled"]:
        """Which rho is the result."""

    def val_dataloader(self) -> Sequence[Iterable[ClipBatch]]:
        """Exemplars, then the validation part."""


class StackedPoseSimilarity(LightningModule):
    """M models whose encoders have one shape; what each learns is what it would have learnt alone.

    Batches are those of `datamodules.sampling.stacked_pairs.StackedPairs`; in a validation, batch m is member m's.

    Args:
        members: the models. Their encoders follow the stack's weights whenever they are validated or saved.
        sources: the data module of each.

    Raises:
        Unstackable: the encoders differ in shape, or hold a layer without a stacked version.
    """

    def __init__(self, members: Sequence[PoseSimilarity], sources: Sequence[MemberSource]) -> None:
        super().__init__()
        self.encoder = stack_encoders([member.encoder for member in members])
        self.members = tuple(member.eval() for member in members)  # a tuple: these are no modules of this one
        self.sources = tuple(sources)
        self.metrics: list[dict[str, float]] = [{} for _ in members]  # of the last validation
        margin = torch.tensor([member.loss.margin for member in members], dtype=torch.float64)
        self.margin: Tensor
        self.register_buffer("margin", margin[:, None, None], persistent=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, each member with its own learning rate."""
        rates = torch.tensor([member.lr for member in self.members], dtype=torch.float64)
        return StackedAdam(self.encoder.parameters(), rates)

    def training_step(self, batch: PairBatch, batch_idx: int) -> dict[str, Tensor]:
        """Poses [M, 2, B, 15, C] and Y [M, B] to the sum of the members' losses, and those [M] themselves."""
        first, second = self.encoder(batch["poses"].flatten(1, 2)).chunk(2, dim=1)
        losses = pair_losses(first, second, batch["similar"], self.margin.to(first.dtype))
        return {"loss": losses.sum(), "losses": losses.detach()}

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Validate member `batch` as it would be alone."""
        member, source = self.members[batch], self.sources[batch]
        self.update_member(batch)
        for loader, clips in enumerate(source.val_dataloader()):
            for i, part in enumerate(clips):
                there = self.transfer_batch_to_device(part, self.device, loader)
                member.validation_step(self.trainer.precision_plugin.convert_input(there), i, loader)
        exemplars, queries = member.exemplars.gather(), member.queries.gather()
        self.metrics[batch] = member.validate_clips(queries, exemplars, source.headline, fitting=True)

    def update_member(self, index: int) -> None:
        """Give a member the weights that the stack has for it."""
        weights = member_state(self.encoder, index)
        example = next(iter(weights.values()))
        member = self.members[index].to(example.device)
        member.encoder.to(example.dtype).load_state_dict(weights)

    def member_checkpoint(self, index: int, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """The checkpoint that a member would have written alone, from the stack's."""
        self.update_member(index)
        member = self.members[index]
        state = checkpoint["optimizer_states"][0]
        shared = ("epoch", "global_step", "pytorch-lightning_version", "loops", "lr_schedulers")
        return {key: checkpoint[key] for key in shared} | {
            "state_dict": {name: value.detach().clone() for name, value in member.state_dict().items()},
            "optimizer_states": [member_optimizer_state(state, index, member.lr)],
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the members have beside their weights: the scorers' options, the best rho."""
        checkpoint["members"] = [
            {name: value for name, value in member.state_dict().items() if not name.startswith("encoder.")}
            for member in self.members
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What `on_save_checkpoint` kept."""
        for member, state in zip(self.members, checkpoint["members"], strict=True):
            member.load_state_dict(state, strict=False)
