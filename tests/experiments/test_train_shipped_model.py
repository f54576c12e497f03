import io

import torch

from experiments.train_shipped_model import scale_table, stripped
from feedback.embedded_clips import load_measure
from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained_model import SHIPPED
from tests.conftest import REPO


def test_stripping_keeps_the_encoder_and_nothing_else() -> None:
    shipped = load_checkpoint(SHIPPED)
    whole = shipped | {"optimizer_states": [1], "loops": {}, "state_dict": shipped["state_dict"] | {"x": torch.ones(9)}}
    again = torch.load(io.BytesIO(stripped(whole)), weights_only=True)
    assert again.keys() == shipped.keys()
    assert again["config"] == shipped["config"]
    assert again["state_dict"].keys() == shipped["state_dict"].keys()
    assert stripped(whole) == stripped(shipped)


def test_the_card_has_the_figures_of_the_shipped_model() -> None:
    numbers = [[cell.strip() for cell in line.split("|")] for line in scale_table(load_measure(None)).splitlines()[2:]]
    card = [[cell.strip() for cell in line.split("|")] for line in (REPO / "models/README.md").read_text().splitlines()]
    by_name = {cells[1]: cells[2:-1] for cells in card if len(cells) == 8}
    for row in numbers:
        # the last digit is the machine's
        assert all(abs(float(a) - float(b)) < 0.25 for a, b in zip(row[2:-1], by_name[row[1]], strict=True)), row
