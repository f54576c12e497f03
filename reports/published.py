"""What others published on the datasets of this project, and what people reach: never measured here."""

from dataclasses import dataclass
from typing import Final

THE_PAPER: Final = "GCN-PSN (arXiv 2511.01194), Table I"
_FIELD: Final = "comparison tables of the field"
_AQA7: Final = "Fisher mean over the six sports of Split_4"
_SILENT: Final = "how it averages over the sports is not said"
_DIVES: Final = "rho of all dives of the official test part, dive numbers given to the model"


@dataclass(frozen=True)
class Published:
    """A row of somebody else's table.

    Attributes:
        method: its name, with what it sees where that is known.
        rho: Spearman's rho.
        source: where the number stands.
        averaging: what is known of what was averaged over what.
        relative_l2: R-l2 x 100, where given.
        human: whether people reached it, not a model.
    """

    method: str
    rho: float
    source: str
    averaging: str
    relative_l2: float | None = None
    human: bool = False


PUBLISHED: Final[dict[str, tuple[Published, ...]]] = {
    "AQA7": (
        Published("ST-GCN (poses alone)", 0.443, f"{_FIELD}; method: AAAI 2018", _AQA7),
        Published("C3D-LSTM (video)", 0.617, f"{_FIELD}; method: WACV 2019, with the dataset", _AQA7),
        Published("JRG (video and poses)", 0.785, f"{_FIELD}; method: ICCV 2019", _AQA7),
        Published("USDL (video)", 0.810, f"{_FIELD}; method: CVPR 2020", _AQA7),
        Published("CoRe (video)", 0.840, f"{_FIELD}; method: ICCV 2021", _AQA7),
        Published("TSA-Net (video)", 0.848, "its own paper (MM 2021)", _AQA7),
        Published("TPT (video)", 0.872, "its own paper (ECCV 2022); the GCN-PSN paper prints .887", _AQA7),
        Published("MLP baseline (poses alone)", 0.765, THE_PAPER, _SILENT),
        Published("GCN-PSN (poses alone)", 0.851, THE_PAPER, _SILENT),
    ),
    "FineDiving": (
        Published("USDL (video)", 0.850, f"{_FIELD}; another source has .891 with R-l2 .382", _DIVES, 0.583),
        Published("MUSDL (video)", 0.898, _FIELD, _DIVES, 0.370),
        Published("CoRe (video)", 0.906, f"{_FIELD}; the GCN-PSN paper prints .903", _DIVES, 0.361),
        Published("TSA (video)", 0.920, f"{_FIELD}; method: CVPR 2022, with the dataset", _DIVES, 0.342),
        Published("TPT (video)", 0.933, f"{_FIELD}; the GCN-PSN paper prints .931", _DIVES, 0.288),
        Published("HP-MCoRe (video and poses)", 0.938, f"{_FIELD}; method: arXiv 2501.03674", _DIVES, 0.269),
        Published("RICA2 (video)", 0.942, f"{_FIELD}; method: ECCV 2024", _DIVES, 0.260),
        Published("FineParser (video)", 0.944, f"{_FIELD}; method: arXiv 2405.06887", _DIVES),
        Published("MLP baseline (poses alone)", 0.812, THE_PAPER, "not said"),
        Published("GCN-PSN (poses alone)", 0.915, THE_PAPER, "not said"),
        Published(
            "Human ceiling: one judge against the other six",
            0.970,
            "computed from the judges' marks that the dataset gives, test dives with seven judges",
            "rho of the test dives; .953 on execution; split panels .985 and .975",
            human=True,
        ),
    ),
}
"""By name of the data module's class."""

NOTE: Final = (
    "Published rows are other people's numbers, copied, not measured here, without seeds or intervals. Tables of the "
    "field choose the best epoch on the test part, which flatters; the measured rows choose everything on a "
    "validation part of the training clips."
)
