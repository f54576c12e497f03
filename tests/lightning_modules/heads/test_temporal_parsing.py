import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from lightning_modules.heads.temporal_parsing import (
    ParsingLayer,
    TemporalParser,
    centres,
    ranking_loss,
    sparsity_loss,
    window_times,
)

Weights = Mapping[str, Tensor]


def slow_softmax(values: list[Tensor]) -> list[Tensor]:
    greatest = max(float(value.detach()) for value in values)
    powers = [torch.exp(value - greatest) for value in values]
    return [power / torch.stack(powers).sum() for power in powers]


def slow_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    centred = x - x.sum() / len(x)
    spread = torch.sqrt((centred * centred).sum() / len(x) + 1e-5)
    return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def slow_linear(x: Tensor, w: Weights, name: str) -> Tensor:
    return torch.stack([(row * x).sum() for row in w[f"{name}.weight"]]) + w[f"{name}.bias"]


def slow_self_attention(places: list[Tensor], parts: list[Tensor], w: Weights, at: str) -> list[Tensor]:
    width, heads = len(parts[0]), 8
    size = width // heads
    weight, bias = w[f"{at}.in_proj_weight"], w[f"{at}.in_proj_bias"]
    query = [weight[:width] @ place + bias[:width] for place in places]
    key = [weight[width : 2 * width] @ place + bias[width : 2 * width] for place in places]
    value = [weight[2 * width :] @ part + bias[2 * width :] for part in parts]
    found = []
    for own in query:
        pieces = []
        for head in range(heads):
            cut = slice(head * size, (head + 1) * size)
            shares = slow_softmax([(own[cut] * other[cut]).sum() / math.sqrt(size) for other in key])
            pieces.append(sum((share * one[cut] for share, one in zip(shares, value, strict=True)), torch.zeros(size)))
        found.append(w[f"{at}.out_proj.weight"] @ torch.cat(pieces) + w[f"{at}.out_proj.bias"])
    return found


def slow_parse(clip: Tensor, w: Weights) -> tuple[list[Tensor], list[list[list[Tensor]]]]:
    """One clip [W, C], from the weights by name: K parts [d], and attention by layer, part and window."""
    codes = list(w["queries"])
    width = len(codes[0])
    parts = [torch.zeros(width, dtype=clip.dtype) for _ in codes]
    maps = []
    for layer in ("layers.0", "layers.1"):
        temperature = 0.07 * torch.exp(w[f"{layer}.temperature_offset"] / 0.07)
        rows, after = [], []
        for part, code in zip(parts, codes, strict=True):
            query = slow_linear(part + code, w, f"{layer}.query")
            row = slow_softmax(
                [(slow_linear(window, w, f"{layer}.key") * query).sum() / width / temperature for window in clip]
            )
            seen = torch.zeros(width, dtype=clip.dtype)
            for share, window in zip(row, clip, strict=True):
                seen = seen + share * slow_linear(window, w, f"{layer}.value")
            part = slow_norm(part + seen, w, f"{layer}.cross_norm")
            hidden = slow_linear(part, w, f"{layer}.feed_forward.0")
            hidden = torch.where(hidden > 0, hidden, 0.0)
            part = part + slow_linear(hidden, w, f"{layer}.feed_forward.3")
            after.append(slow_norm(part, w, f"{layer}.feed_forward_norm"))
            rows.append(row)
        if layer == "layers.0":
            places = [part + code for part, code in zip(after, codes, strict=True)]
            found = slow_self_attention(places, after, w, f"{layer}.self_attention")
            after = [slow_norm(part + more, w, f"{layer}.self_norm") for part, more in zip(after, found, strict=True)]
        parts = after
        maps.append(rows)
    return parts, maps


def slow_times(windows: int) -> list[float]:
    """As the paper counts them, from 1 to 20."""
    return [1 + 19 * place / (windows - 1) for place in range(windows)] if windows > 1 else [10.5]


def slow_attention_losses(clips: list[list[list[list[Tensor]]]], margin: float) -> tuple[Tensor, Tensor]:
    """Ranking and sparsity of attention by clip, layer, part and window."""
    ranking, sparsity = torch.zeros(()), torch.zeros(())
    for layers in clips:
        for rows in layers:
            times = slow_times(len(rows[0]))
            middle = [sum((t * a for t, a in zip(times, row, strict=True)), torch.zeros(())) for row in rows]
            for earlier, later in zip([torch.tensor(1.0), *middle], [*middle, torch.tensor(20.0)], strict=True):
                if float((earlier + margin - later).detach()) > 0:
                    ranking = ranking + (earlier + margin - later) / len(clips)
            for centre, row in zip(middle, rows, strict=True):
                for t, a in zip(times, row, strict=True):
                    sparsity = sparsity + torch.abs(t - centre) * a / len(rows) / len(clips)
    return ranking, sparsity


def shaken(module: torch.nn.Module) -> None:
    """Norms start at 1 and 0, biases at 0, temperatures at 0.07: make them count."""
    torch.manual_seed(5)
    for name, parameter in module.named_parameters():
        torch.nn.init.normal_(parameter, std=0.05 if "temperature" in name else 0.4)
    module.double().eval()


@pytest.mark.parametrize(("windows", "width", "parts", "model_width"), [(6, 30, 5, 16), (1, 1, 1, 8), (20, 3, 2, 24)])
@torch.no_grad()
def test_equals_the_slow_version(windows: int, width: int, parts: int, model_width: int) -> None:
    parser = TemporalParser(width, parts, model_width)
    shaken(parser)
    clips = torch.randn(3, windows, width, dtype=torch.float64)
    found, attention = parser(clips)
    weights = dict(parser.named_parameters())
    for clip, own, maps in zip(clips, found, attention, strict=True):
        expected, expected_maps = slow_parse(clip, weights)
        torch.testing.assert_close(own, torch.stack(expected), atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(maps, torch.tensor(expected_maps, dtype=torch.float64), atol=1e-12, rtol=1e-10)


def test_attention_sums_to_one_over_the_windows() -> None:
    torch.manual_seed(0)
    _, attention = TemporalParser(30, 5, 16)(10 * torch.randn(4, 13, 30))
    assert attention.shape == (4, 2, 5, 13)
    torch.testing.assert_close(attention.sum(-1), torch.ones(4, 2, 5))
    assert (attention >= 0).all()


def test_the_order_of_the_windows_is_not_known() -> None:
    torch.manual_seed(0)
    parser = TemporalParser(6, 5, 16).eval()
    clips, order = torch.randn(2, 9, 6), torch.randperm(9)
    parts, attention = parser(clips)
    shuffled, moved = parser(clips[:, order])
    torch.testing.assert_close(shuffled, parts)
    torch.testing.assert_close(moved, attention[..., order])


def test_the_temperature_starts_as_a_free_one_would_and_stays_positive() -> None:
    layer = ParsingLayer(4, 8, first=True)
    assert float(layer.temperature.detach()) == pytest.approx(0.07)
    (slope,) = torch.autograd.grad(layer.temperature, layer.temperature_offset)
    assert float(slope) == pytest.approx(1)
    optimizer = torch.optim.Adam([layer.temperature_offset], 2e-3)
    for _ in range(100):
        optimizer.zero_grad()
        layer.temperature.backward()
        optimizer.step()
    assert 0 < float(layer.temperature.detach()) < 0.02


def one_hot(*windows: int, of: int = 20) -> Tensor:
    """Attention [1, 1, K, W] of parts that each look at one window."""
    return torch.eye(of, dtype=torch.float64)[list(windows)][None, None]


def test_ranking_by_hand() -> None:
    assert ranking_loss(one_hot(2, 5, 8, 11, 14), 2) == 0
    assert ranking_loss(one_hot(2, 4, 17), 2) == 0  # exactly the margin
    assert ranking_loss(one_hot(5, 3), 2) == 4
    assert ranking_loss(one_hot(1, 10), 2) == 1  # too near to the start
    assert ranking_loss(one_hot(0, 10), 0) == 0
    between = (one_hot(10, 18) + one_hot(10, 19)) / 2  # the last at 18.5, 0.5 before the end
    assert ranking_loss(between, 2) == 1.5
    assert ranking_loss(one_hot(0), 2) == 2
    assert ranking_loss(one_hot(4, 12), 8) == 4 + 0 + 1


def test_ranking_adds_layers_and_averages_clips() -> None:
    good, wrong = one_hot(4, 8, 12), one_hot(4, 12, 8)  # the wrong one costs 6
    assert ranking_loss(torch.cat([good, wrong], 1), 2) == 6
    assert ranking_loss(torch.cat([wrong, wrong], 1), 2) == 12
    assert ranking_loss(torch.cat([good, wrong], 0), 2) == 3


def test_sparsity_by_hand() -> None:
    assert sparsity_loss(one_hot(0, 7, 19)) == 0
    halves = (one_hot(4, 7) + one_hot(8, 7)) / 2  # first part: 2 from its centre on either side; second: 0
    assert sparsity_loss(halves) == 1
    assert sparsity_loss(torch.cat([halves, halves], 1)) == 2
    assert sparsity_loss(torch.cat([halves, one_hot(0, 1)], 0)) == 0.5
    assert sparsity_loss(torch.full((1, 1, 3, 20), 1 / 20)) == pytest.approx(5)


def test_losses_equal_the_slow_version() -> None:
    torch.manual_seed(2)
    for windows in (1, 2, 7, 20):
        attention = torch.rand(3, 2, 4, windows, dtype=torch.float64)
        attention = attention / attention.sum(-1, keepdim=True)
        lists = [[[list(row) for row in layer] for layer in clip] for clip in attention]
        ranking, sparsity = slow_attention_losses(lists, 2.5)
        assert float(ranking_loss(attention, 2.5)) == pytest.approx(float(ranking), rel=1e-10)
        assert float(sparsity_loss(attention)) == pytest.approx(float(sparsity), rel=1e-10, abs=1e-12)


def test_losses_do_not_depend_on_the_number_of_windows() -> None:
    few, many = (one_hot(4, 3, 16) + one_hot(8, 1, 18)) / 2, (one_hot(8, 6, 32, of=39) + one_hot(16, 2, 36, of=39)) / 2
    torch.testing.assert_close(centres(many), centres(few))
    assert float(ranking_loss(few, 2)) == pytest.approx(float(ranking_loss(many, 2))) != 0
    assert float(sparsity_loss(few)) == pytest.approx(float(sparsity_loss(many))) != 0


def test_times_of_windows() -> None:
    assert window_times(torch.zeros(2, 20)).tolist() == list(range(20))
    assert window_times(torch.zeros(2, 2)).tolist() == [0, 19]
    assert window_times(torch.zeros(1)).tolist() == [9.5]


def test_the_losses_bring_the_parts_into_order() -> None:
    torch.manual_seed(3)
    place = torch.linspace(0, 1, 20)[:, None]
    clips = torch.cat([place, place.square(), (3 * place).sin(), (9 * place).cos()], 1) + 0.02 * torch.randn(8, 20, 4)
    parser = TemporalParser(4, 4, 32)
    optimizer = torch.optim.Adam(parser.parameters(), 1e-3)
    before = ranking_loss(parser(clips)[1], 2)
    for _ in range(150):
        optimizer.zero_grad()
        _, attention = parser(clips)
        (ranking_loss(attention, 2) + 0.05 * sparsity_loss(attention)).backward()
        optimizer.step()
    _, attention = parser.eval()(clips)
    assert before > 5
    assert ranking_loss(attention, 2) < 0.5
    assert (centres(attention).diff(dim=-1) > 1).all()
