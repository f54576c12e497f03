"""Motion whose faults are known: generated performances and real climbs, slowed, bent and joined on purpose."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.speed21 import read_metadata, read_skeletons, skeleton_path
from datamodules.synthetic_motion.synthetic import perform
from feedback.explanations import PARTS, angles, turned
from feedback.subjects import Subject
from poses.skeleton import JOINTS, convert

Floats = NDArray[np.float64]


def subject(
    xy: NDArray[np.floating], confidence: NDArray[np.floating] | None = None, rate: float = 25.0, name: str = "clip"
) -> Subject:
    """A subject without media, of poses [F, 15, 2] at `rate` frames a second."""
    frames = len(xy)
    known = np.full((frames, len(JOINTS)), 0.9) if confidence is None else confidence
    return Subject(
        name,
        xy.astype(np.float32),
        np.where(np.isfinite(xy).all(-1), known, 0.0).astype(np.float32),
        np.arange(frames, dtype=np.int32),
        np.arange(frames) / rate,
        None,
    )


def generated(seed: int, index: int, quality: float = 1.0, name: str = "generated") -> Subject:
    """The first person of a generated clip, at the clip's own rate, as its estimator saw it."""
    clip = perform(seed, index, quality)
    return subject(clip.xy[0], clip.confidence[0], clip.outline.rate, name)


def filmed(seed: int, index: int, quality: float = 1.0, name: str = "filmed", azimuth: float | None = None) -> Subject:
    """The first person of a generated clip through a distant camera, without an estimator's errors.

    Args:
        azimuth: degrees from the front to where the camera stands, towards the body's left; None for the action's own.
    """
    clip = perform(seed, index, quality)
    joints = clip.joints[0] - clip.joints[0].mean(axis=(0, 1))
    angle = np.radians(clip.outline.action.azimuth if azimuth is None else azimuth)
    right = -np.sin(angle) * joints[..., 0] + np.cos(angle) * joints[..., 1]
    xy = np.stack([right, -joints[..., 2]], axis=-1) * 130 + np.array([320.0, 240.0])
    return subject(xy, None, clip.outline.rate, name)


def climb(root: Path, row: int) -> Subject:
    """A run of SPEED21."""
    run = read_metadata(root)[row]
    frame, xy16 = read_skeletons(skeleton_path(root, run))
    xy, _ = convert(xy16, None, "mpii16")
    unknown = np.full(xy.shape[:2], np.nan)
    return Subject(
        run.run_id,
        xy.astype(np.float32),
        unknown.astype(np.float32),
        (frame - frame[0]).astype(np.int32),
        (frame - frame[0]) / run.fps,
        None,
    )


def turned_by(clip: Subject, part: str, degrees: float, begin: int, end: int) -> Subject:
    """One angle of the body changed by so many degrees (more bent is positive) in frames `begin` to `end`."""
    pose = torch.from_numpy(clip.xy[begin : end + 1]).double()
    number = [one.name for one in PARTS].index(part)
    turn = torch.zeros(len(pose), 1, len(PARTS), dtype=torch.float64)
    turn[:, 0, number] = degrees * angles(pose)[:, number].nan_to_num(0.0).sign()
    xy = clip.xy.copy()
    xy[begin : end + 1] = turned(pose, turn)[:, 0].numpy()
    return replace(clip, xy=xy)


def at_speed(clip: Subject, speeds: Sequence[float]) -> Subject:
    """Played again at another speed: `speeds` [F - 1] of every interval between two frames; 0.5 is half as fast."""
    begins = np.concatenate([[0.0], np.cumsum(1 / np.asarray(speeds, dtype=np.float64))])
    at = np.interp(np.arange(int(begins[-1]) + 1), begins, np.arange(len(begins)))
    before = np.minimum(at.astype(int), len(clip.xy) - 2)
    share = (at - before)[:, None, None]
    xy = clip.xy[before] * (1 - share) + clip.xy[before + 1] * share
    return subject(xy, None, round(1 / float(np.diff(clip.time).mean())), clip.name)


def in_a_row(
    parts: Sequence[Subject], random: np.random.Generator, pause: tuple[int, int] = (12, 40)
) -> tuple[Subject, list[tuple[int, int]]]:
    """One clip of several: before, after and between them the body holds still, and moves from one end to the next.

    Returns:
        The clip, and the first and last frame of every part.
    """
    seen = [part.xy[np.isfinite(part.xy).all((1, 2))].astype(np.float64) for part in parts]

    def still(pose: Floats) -> Floats:
        count = int(random.integers(*pause))
        held: Floats = pose + random.normal(0.0, 1.0, (count, *pose.shape))
        return held

    pieces, spans, length = [still(seen[0][0])], [], 0
    for number, part in enumerate(parts):
        length = sum(map(len, pieces))
        spans.append((length, length + len(part.xy) - 1))
        pieces += [part.xy.astype(np.float64), still(seen[number][-1])]
        if number + 1 < len(parts):
            share = np.linspace(0, 1, 10)[:, None, None]
            pieces += [seen[number][-1] * (1 - share) + seen[number + 1][0] * share, still(seen[number + 1][0])]
    rate = round(1 / float(np.diff(parts[0].time).mean()))
    return subject(np.concatenate(pieces), None, rate, "several"), spans
