"""A trained model as a measure of poses and of clips: what notebooks and `python run.py score` ask."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from errors import InputError, quoted
from poses.batches import EmbeddedClips, codes, mean_of_each, score_ranges
from poses.cache.keypoint_cache import PoseTable
from poses.skeleton import checked_arrays
from poses.tracks import build_tracks
from run_folder.layout import BEST
from run_folder.trained import Checkpoint
from scoring.distances import cosine_distance, score_from_distance
from scoring.metrics import ArrayT, as_given, as_tensor
from scoring.scorers import ClipScorer

Clips = PoseTable | Sequence[Any] | npt.NDArray[Any] | Tensor

SHIPPED: Final = Path(__file__).resolve().parents[1] / "models" / "gcn-psn-demo.ckpt"
SYNTHETIC_LABEL: Final = "trained on synthetic poses only (models/README.md)"

_MOMENTS: Final = 20
"""Poses a clip where the checkpoint does not say, as in a data module."""
_AT_ONCE: Final = 64
"""Clips that are embedded together."""


class TrainedModel(nn.Module):
    """Embeds poses and clips, compares poses, and scores clips by scored ones, as the model of a checkpoint does.

    It is on the CPU, until `to` moves it. Nothing in the checkpoint is executed, and no class of others is built.

    Poses are [..., 15, 2] in pixels or any other unit, x to the right and y downwards, the joints in the order of
    `poses.JOINTS`, NaN where a joint is missing; they are normalised as they were in training. A list is taken for an
    array. What comes back of poses is a tensor where tensors are given, else an array.

    Args:
        path: the folder of a run, whose best checkpoint is taken, or a checkpoint, such as `SHIPPED`.

    Attributes:
        label: for screen and pictures: what was trained on what.
        normalisation: eq. (1) and (2), and what counts as a missing joint.
        encoder: normalised poses [..., 15, 2] to embeddings [..., E]; None of a model without (see `source`).
        temporal_head: from the embeddings of a clip's poses to those of fewer moments, or None.
        source: of a model that regresses scores: from normalised clips to the features of their windows; else None.
        scorers: by which clips are scored, the first standing for the model; none in a checkpoint that holds none.
        moments: at how many relative times a clip is looked at.
        config: the settings of the run.

    Raises:
        InputError: no checkpoint of this project, or none whose model can be built.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        folder = Path(path).is_dir()
        if folder and not (Path(path) / BEST).is_file():
            raise InputError(f"{path}: holds no {BEST}; give the folder of a run, such as runs/demo/version_0")
        checkpoint = Checkpoint(Path(path) / BEST if folder else Path(path))
        self.config = checkpoint.config
        self.normalisation = checkpoint.normalisation()
        self.moments = checkpoint.options("data").get("frames_per_clip", _MOMENTS)
        if not isinstance(self.moments, int) or self.moments < 1:
            raise InputError(
                f"{checkpoint.path}: its frames_per_clip is {quoted(self.moments)}; use another checkpoint"
            )
        self.encoder: nn.Module | None = None
        self.temporal_head: nn.Module | None = None
        self.source: nn.Module | None = None
        options, scorers = checkpoint.options("model"), []
        if options.get("source"):
            self.source = checkpoint.part("source")
            head = options.get("head")
            sizes = {name: getattr(self.source, name, None) for name in ("windows", "width")}
            if isinstance(head, dict):
                given = head.get("init_args")
                head = {**head, "init_args": {**(given if isinstance(given, dict) else {}), **sizes}}
            arguments = {"head": head, "exemplars": options.get("exemplars", 10)}
            scorers.append({"class_path": "scoring.regression.RegressionScorer", "init_args": arguments})
        else:
            self.encoder = checkpoint.part("encoder")
            if options.get("temporal_head"):
                self.temporal_head = checkpoint.part("temporal_head")
        given = options.get("scorers")
        scorers += given if isinstance(given, list) else []
        made = nn.ModuleList(checkpoint.built(ClipScorer, "scorer", one) for one in scorers)
        self.scorers = checkpoint.filled(made, "scorers")
        shipped = SHIPPED.is_file() and SHIPPED.read_bytes() == checkpoint.path.read_bytes()
        self.label = SYNTHETIC_LABEL if shipped else str(path)
        self.eval()

    # Poses --------------------------------------------------------------------------------------------------------

    def present(self, poses: ArrayT, confidence: ArrayT | None = None) -> ArrayT:
        """Which joints [..., 15] the model uses of poses [..., 15, 2] with confidences [..., 15]."""
        return as_given(self.normalisation(*_tensors(poses, confidence))[1], poses)

    def masked(self, poses: ArrayT, confidence: ArrayT) -> ArrayT:
        """The poses [..., 15, 2], NaN where the model takes a joint for missing, so that no confidences are needed."""
        present = self.present(*_tensors(poses, confidence))
        return as_given(as_tensor("poses", poses).where(present[..., None], torch.nan), poses)

    @torch.no_grad()
    def embed(self, poses: ArrayT, confidence: ArrayT | None = None) -> ArrayT:
        """Embeddings of single poses.

        Args:
            poses: [..., 15, 2].
            confidence: [..., 15] in [0, 1], NaN where unknown, or None if all are.

        Returns:
            [..., E] float32; NaN for a pose without a joint.

        Raises:
            ValueError: not the shape of poses, or a model that sees no single poses.
        """
        xy, sure = _tensors(poses, confidence)
        device = next(self.parameters(), xy).device
        return as_given(self(xy.to(device), None if sure is None else sure.to(device)).to(xy.device), poses)

    def forward(self, xy: Tensor, confidence: Tensor | None = None) -> Tensor:
        """As `embed`, for tensors on the model's device; with gradients, and as a graph for ONNX."""
        normalise = self.normalisation.in_graph if torch.compiler.is_exporting() else self.normalisation
        poses, present = normalise(xy, confidence)
        if self.encoder is not None:
            embedding = self.encoder(poses)
        elif hasattr(self.source, "embed"):
            embedding = cast(Any, self.source).embed(poses.reshape(-1, 1, *poses.shape[-2:]))
            embedding = embedding.reshape(*present.shape[:-1], embedding.shape[-1])
        else:
            raise ValueError(
                f"{self.label}: the model looks at windows of poses, or at features, and embeds no single pose; "
                "ask for embed_clips"
            )
        return cast(Tensor, embedding.masked_fill(~present.any(-1, keepdim=True), torch.nan))

    def distance(self, a: ArrayT, b: ArrayT) -> ArrayT:
        """Distance of poses, eq. (5); a joint that one of the two lacks is left out of both.

        Shapes:
            a, b: [..., 15, 2], broadcast against each other: one pose against many, or a[:, None] and b for all pairs.

        Returns:
            [...] float64 in [0, 2]; NaN for two poses without a joint in common.
        """
        first, second = (checked_arrays(as_tensor("poses", one), None)[1].float() for one in (a, b))
        hidden = ~(first.isfinite() & second.isfinite()).all(-1, keepdim=True)
        if hidden.any():
            first, second = torch.where(hidden, torch.nan, first), torch.where(hidden, torch.nan, second)
        return as_given(cosine_distance(self.embed(first).double(), self.embed(second).double()), a, b)

    def score(self, a: ArrayT, b: ArrayT) -> ArrayT:
        """Score of poses against each other, eq. (6): as `distance`, in (0, 100], 100 for equal ones."""
        return as_given(score_from_distance(as_tensor("distances", self.distance(a, b))), a, b)

    # Clips --------------------------------------------------------------------------------------------------------

    def embed_clips(self, clips: Clips) -> npt.NDArray[np.float32]:
        """Embeddings [N, S, E] of the tracks of clips, see `score_clips`, at the S moments that scorers compare."""
        return self._embedded(self._content(clips)[0]).cpu().numpy()

    def score_clips(
        self,
        clips: Clips,
        exemplars: Clips,
        scores: Any,
        *,
        actions: Sequence[Any] | None = None,
        exemplar_actions: Sequence[Any] | None = None,
        pooled: bool = False,
        scorers: Sequence[ClipScorer] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Predicted scores of clips, by every scorer with the setting that was chosen on the validation part.

        A clip is looked at at as many relative times as in training; where it shows no pose, the pose seen last stands.

        Args:
            clips: N clips: what `poses.read_cache` gives, or arrays [frames, 15, 2] of any length, NaN where a joint is
                missing; of a model that takes clip features, arrays [W, C].
            exemplars: M clips with scores, such as the training part.
            scores: [M], in any unit, higher is better; NaN where unknown.
            actions: [N], by name or number: a clip is scored by the exemplars of its action, by all if there are none.
                None if all clips show one action.
            exemplar_actions: [M].
            pooled: scores are relative to the range of all exemplars' scores, not of an action's; this is how models
                that regress scores are trained on FineDiving and SPEED21.
            scorers: others in the place of the trained ones, such as [scoring.vote.VoteScorer()].

        Returns:
            By the scorer's name, [N]; the first scorer stands for the model.

        Raises:
            ValueError: numbers of clips, scores and actions differ, or there are no scorers.
            InputError: a clip has fewer than two frames with a pose.
        """
        used = [cast(ClipScorer, one) for one in self.scorers] if scorers is None else scorers
        if not used:
            raise ValueError(f"{self.label}: the checkpoint holds no scorers; give some, as scorers=[VoteScorer()]")
        if (actions is None) != (exemplar_actions is None):
            raise ValueError("give actions and exemplar_actions, or neither where all clips show one action")
        (known, known_clip), (asked, asked_clip) = self._content(exemplars), self._content(clips)
        m, n = int(known_clip[-1]) + 1, int(asked_clip[-1]) + 1
        named = [[""] * m, [""] * n] if actions is None else [list(exemplar_actions or ()), list(actions)]
        score = as_tensor("scores", scores).double().cpu()
        if score.shape != (m,) or [*map(len, named)] != [m, n]:
            raise ValueError(
                f"{m} exemplars and {n} clips: give as many scores as exemplars, and an action for each or for none; "
                f"got scores {list(score.shape)} and {' and '.join(str(len(one)) for one in named)} actions"
            )
        action, _ = codes([str(one) for one in chain(*named)])
        there = score.isfinite().numpy()
        own = np.zeros_like(action) if pooled else action
        content, clip = torch.cat([known, asked]), torch.cat([known_clip, asked_clip + m])
        facts = {
            "clip": clip,
            "action": torch.from_numpy(action)[clip],
            "score": torch.cat([score, score.new_full((n,), torch.nan)])[clip],
            "difficulty": torch.full((len(clip),), torch.nan, dtype=torch.float64),
            "group": torch.full_like(clip, -1),
            "track": torch.arange(len(clip)),
            "score_range": torch.from_numpy(score_ranges(score.numpy()[there], own[:m][there], own))[clip],
            "phases": torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(len(clip), 2),
            "covariates": clip.new_empty(len(clip), 0),
            "poses": content,
        }
        embedding = self._embedded(content)
        tracks = EmbeddedClips(embedding=embedding, **{name: one.to(embedding.device) for name, one in facts.items()})
        queries, known_tracks = tracks[tracks.clip >= m], tracks[tracks.clip < m]
        return {one.name: mean_of_each(one(queries, known_tracks), queries.clip).cpu().numpy() for one in used}

    # How ----------------------------------------------------------------------------------------------------------

    def _content(self, clips: Clips) -> tuple[Tensor, Tensor]:
        """What a data module would serve of clips, and for every track the index of its clip."""
        if getattr(self.source, "takes", "poses") == "features":
            features = as_tensor("clip features", clips).float()
            return features, torch.arange(len(features))
        tracks = build_tracks(clips if isinstance(clips, PoseTable) else PoseTable.of(list(clips)), self.normalisation)
        return torch.from_numpy(tracks.poses[tracks.moments(self.moments)]), torch.from_numpy(tracks.clip)

    @torch.no_grad()
    def _embedded(self, content: Tensor) -> Tensor:
        parts = [part for part in (self.source, self.encoder, self.temporal_head) if part is not None]
        network = nn.Sequential(*parts)
        device = next(self.parameters(), content).device
        return torch.cat([network(part.to(device)) for part in content.split(_AT_ONCE)])


def _tensors(poses: Any, confidence: Any) -> tuple[Tensor, Tensor | None]:
    sure = None if confidence is None else as_tensor("confidences", confidence).float()
    return as_tensor("poses", poses).float(), sure


def load_model(path: str | Path) -> TrainedModel:
    """The trained model of a run's folder or of a checkpoint, see `TrainedModel`."""
    return TrainedModel(path)
