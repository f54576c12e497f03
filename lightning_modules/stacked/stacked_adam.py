"""Adam for stacked models, each member with its own learning rate."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

BETAS = (0.9, 0.999)
EPS = 1e-8


class StackedAdam(Optimizer):
    """`torch.optim.Adam` with its default options, member by member.

    All weights lie in one buffer, and so do the gradients and both moments: a step is five operations, however many
    layers and members there are.

    Args:
        params: parameters whose first dimension is the member.
        lr: [M], learning rate of each member.
    """

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: Tensor) -> None:
        super().__init__(params, {"lr": 0.0})  # the rates of the members are beside it: they are no setting to schedule
        self._parameters: list[torch.nn.Parameter] = self.param_groups[0]["params"]
        first = self._parameters[0]
        sizes = [parameter.numel() for parameter in self._parameters]
        self._weights, self._gradients, self._mean, self._square = (first.new_zeros(sum(sizes)) for _ in range(4))
        self._rates = torch.cat([
            lr.to(first)[:, None].expand(-1, size // len(lr)).flatten() for size in sizes
        ])  # fmt: skip
        self._step = 0
        with torch.no_grad():
            for parameter, weights in zip(self._parameters, self._views(self._weights), strict=True):
                weights.copy_(parameter)
                parameter.data = weights
        self.zero_grad()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to zero; they stay where they are, whatever is asked."""
        self._gradients.zero_()
        for parameter, gradient in zip(self._parameters, self._views(self._gradients), strict=True):
            parameter.grad = gradient

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every member."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._step += 1
        (first, second), gradient = BETAS, self._gradients
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = (self._square / (1 - second**self._step)).sqrt_().add_(EPS)
        self._weights.addcdiv_(self._mean * self._rates, scale, value=-1 / (1 - first**self._step))
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Steps and moments."""
        moments = [
            {"exp_avg": mean.clone(), "exp_avg_sq": square.clone()}
            for mean, square in zip(self._views(self._mean), self._views(self._square), strict=True)
        ]
        return {"step": self._step, "moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self._step = state["step"]
        views = zip(state["moments"], self._views(self._mean), self._views(self._square), strict=True)
        for saved, mean, square in views:
            mean.copy_(saved["exp_avg"])
            square.copy_(saved["exp_avg_sq"])

    def _views(self, buffer: Tensor) -> list[Tensor]:
        parts = buffer.split([parameter.numel() for parameter in self._parameters])
        return [part.view(parameter.shape) for part, parameter in zip(parts, self._parameters, strict=True)]


def member_optimizer_state(stacked: dict[str, Any], member: int, lr: float) -> dict[str, Any]:
    """State of the `torch.optim.Adam` that a member would have had alone, from `StackedAdam.state_dict`."""
    parameters = [torch.nn.Parameter(moments["exp_avg"][member]) for moments in stacked["moments"]]
    alone: dict[str, Any] = torch.optim.Adam(parameters, lr=lr, fused=True).state_dict()
    alone["state"] = {
        i: {
            "step": torch.tensor(float(stacked["step"])),
            "exp_avg": moments["exp_avg"][member].clone(),
            "exp_avg_sq": moments["exp_avg_sq"][member].clone(),
        }
        for i, moments in enumerate(stacked["moments"])
    }
    return alone
