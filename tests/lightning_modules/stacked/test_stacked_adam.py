import torch
from torch import nn

from lightning_modules.stacked.stacked_adam import StackedAdam, member_optimizer_state

RATES = torch.tensor([1e-3, 1e-1, 3e-2], dtype=torch.float64)


def gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4, 2), (3, 5))]


def stacked() -> tuple[list[nn.Parameter], StackedAdam]:
    parameters = [nn.Parameter(value.clone()) for value in gradients(99)]
    return parameters, StackedAdam(parameters, RATES)


def walk(parameters: list[nn.Parameter], optimizer: StackedAdam, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        sum((p * g).sum() for p, g in zip(parameters, gradients(step), strict=True)).backward()  # type: ignore[union-attr]
        optimizer.step()


def test_every_member_goes_where_adam_would_take_it_alone() -> None:
    parameters, optimizer = stacked()
    walk(parameters, optimizer, range(30))
    for member, rate in enumerate(RATES.tolist()):
        alone = [nn.Parameter(value[member].clone()) for value in gradients(99)]
        adam = torch.optim.Adam(alone, lr=rate)
        for step in range(30):
            for weights, gradient in zip(alone, gradients(step), strict=True):
                weights.grad = gradient[member]
            adam.step()
        for together, own in zip(parameters, alone, strict=True):
            torch.testing.assert_close(together[member], own, rtol=1e-12, atol=1e-12)
        state = member_optimizer_state(optimizer.state_dict(), member, rate)
        expected = adam.state_dict()["state"]
        for i, moments in state["state"].items():
            for name in ("step", "exp_avg", "exp_avg_sq"):
                torch.testing.assert_close(moments[name], expected[i][name])
        fresh = torch.optim.Adam([nn.Parameter(p.detach().clone()) for p in alone], lr=9.0, fused=True)
        fresh.load_state_dict(state)
        assert fresh.param_groups[0]["lr"] == rate


def test_a_saved_state_goes_on_exactly() -> None:
    parameters, optimizer = stacked()
    walk(parameters, optimizer, range(7))
    again = [nn.Parameter(p.detach().clone()) for p in parameters]
    resumed = StackedAdam(again, RATES)
    resumed.load_state_dict(optimizer.state_dict())
    walk(parameters, optimizer, range(7, 12))
    walk(again, resumed, range(7, 12))
    for one, other in zip(parameters, again, strict=True):
        assert torch.equal(one, other)
