"""`python -m experiments.made_up_videos --output FOLDER`: videos and stills of made-up people with known faults.

Mannequins perform the motions of `datamodules.synthetic_motion.synthetic`: the true joints, not what its estimator
makes of them, seen by a fixed, distant camera. There is nobody to be recognised, and what is in every picture is known
to the pixel. The same call gives the same frames.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import torch

from datamodules.synthetic_motion.synthetic import body_of, kinematics, perform
from datamodules.synthetic_motion.synthetic_actions import CHANNELS
from experiments.mannequin import Clothes, Floats, Image, draw_mannequin, room
from feedback.explanations import PARTS, angles, turned
from poses.skeleton import FLIP

RATE: Final = 25
"""Frames a second."""
SIZE: Final = (640, 480)
MARGIN: Final = 0.12
"""Of the picture's height, left free above and below whatever the performer does."""
SQUAT, STAR_JUMP, _, SIDE_KICK = range(4)
"""Numbers of the generator's clips, of its first performer."""
SIDE: Final = 72.0
"""Azimuth from which a squat is seen best: nearly from the side, but both arms and legs."""
AGAIN: Final = 6
"""Added to them: another clip of the same performer."""
OTHER: Final = 12
"""Added to them: another performer."""
BLUE: Final = Clothes((58, 110, 184), (56, 58, 82))
RED: Final = Clothes((146, 46, 62), (60, 66, 76))
GREEN: Final = Clothes((84, 140, 92), (96, 84, 70))


@dataclass(frozen=True)
class Figure:
    """Somebody in a video of F frames.

    Attributes:
        joints: [F, 15, 3] pixels, as in `experiments.mannequin`.
        metre: pixels to a metre.
        clothes: colours.
    """

    joints: Floats
    metre: float
    clothes: Clothes = BLUE


# Motions: [F, 15, 3] metres as the camera sees them: right, down, away ---------------------------------------------


def seen(index: int, quality: float = 1.0, azimuth: float | None = None) -> Floats:
    """The first performer of a generated clip at `RATE`.

    Args:
        index: of the clip, from 0.
        quality: in [0, 1].
        azimuth: degrees from the front to where the camera stands, towards the performer's left; None for the action's
            own.
    """
    clip = perform(0, index, quality)
    angle = np.radians(clip.outline.action.azimuth if azimuth is None else azimuth)
    x, y, z = np.moveaxis(clip.joints[0], -1, 0)
    motion = np.stack([y * np.cos(angle) - x * np.sin(angle), -z, -x * np.cos(angle) - y * np.sin(angle)], axis=-1)
    return _at(motion, np.arange(0, len(motion) - 1 + 1e-9, clip.outline.rate / RATE))


def with_fault(motion: Floats, part: str, degrees: float, begin: float, end: float) -> Floats:
    """A motion with one angle of the picture changed, which comes and goes over the first and last fifth of its time.

    Args:
        motion: [F, 15, 3].
        part: name of one of `feedback.explanations.PARTS`.
        degrees: above 0 away from 0, which is straight, hanging or upright: more bent, raised higher.
        begin: when, as a share of the motion's time.
        end: the same.
    """
    share = (np.linspace(0, 1, len(motion)) - begin) / (end - begin)
    grown = np.clip(5 * np.minimum(share, 1 - share), 0.0, 1.0)
    pose = torch.from_numpy(motion[..., :2].copy())
    number = [one.name for one in PARTS].index(part)
    turn = torch.zeros(len(pose), 1, len(PARTS), dtype=torch.float64)
    turn[:, 0, number] = torch.from_numpy(degrees * grown) * angles(pose)[:, number].nan_to_num(0.0).sign()
    xy: Floats = turned(pose, turn)[:, 0].numpy()
    return np.concatenate([xy, motion[..., 2:]], axis=-1)


def slower(motion: Floats, begin: float, end: float, speed: float) -> Floats:
    """A motion whose stretch from `begin` to `end`, shares of its time, is played at `speed`."""
    middle = np.arange(len(motion) - 1) + 0.5
    inside = (middle > begin * (len(motion) - 1)) & (middle < end * (len(motion) - 1))
    clock = np.concatenate([[0.0], np.cumsum(np.where(inside, 1 / speed, 1.0))])
    return _at(motion, np.interp(np.arange(0, clock[-1] + 1e-9), clock, np.arange(len(motion))))


def mirrored(motion: Floats) -> Floats:
    """A motion as in a mirror: the left arm does what the right one did."""
    flipped: Floats = (motion * (-1.0, 1.0, 1.0))[:, list(FLIP)]
    return flipped


def in_a_row(motions: Sequence[Floats], pause: float = 0.8) -> tuple[Floats, list[tuple[int, int]]]:
    """Several motions, before, between and after which the performer stands for `pause` seconds.

    Returns:
        The whole, and first and last frame of each.
    """
    still = round(pause * RATE)
    pieces, spans, length = [np.repeat(motions[0][:1], still, axis=0)], [], still
    for number, motion in enumerate(motions):
        spans.append((length, length + len(motion) - 1))
        following = motions[number + 1][0] if number + 1 < len(motions) else motion[-1]
        share = np.clip(np.linspace(-0.5, 1.5, still), 0, 1)[:, None, None]  # stand, get ready, stand
        pieces += [motion, motion[-1] * (1 - share) + following * share]
        length += len(motion) + still
    return np.concatenate(pieces), spans


def walk(frames: int, passes: float) -> Floats:
    """Somebody who walks to the right, past the camera.

    Args:
        frames: how many.
        passes: the frame in which they are in the middle, at 0.
    """
    clock, steps = (np.arange(frames) - passes) / RATE, 1.9  # a second
    swing = np.sin(np.pi * steps * clock)
    pose = np.zeros((frames, len(CHANNELS)))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        knee = 8 + 45 * np.clip(np.cos(np.pi * steps * clock) * sign, 0, 1)
        for name, values in (("hip", 24 * sign * swing), ("knee", knee), ("arm", -22 * sign * swing), ("elbow", 18)):
            pose[:, CHANNELS.index(f"{side}_{name}")] = values
    joints = kinematics(pose, body_of(0, 40))
    # seen from the walker's right: forward is to the right, its left side away
    motion: Floats = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
    motion[..., 1] -= motion[..., 1].max(axis=1, keepdims=True)
    motion[..., 0] += 0.7 * steps * clock[:, None]
    return motion


def _at(motion: Floats, frames: Floats) -> Floats:
    """A motion at fractional frames."""
    before = np.minimum(frames.astype(int), len(motion) - 2)
    share = (frames - before)[:, None, None]
    result: Floats = motion[before] * (1 - share) + motion[before + 1] * share
    return result


# Pictures -----------------------------------------------------------------------------------------------------------


def placed(motion: Floats, clothes: Clothes = BLUE) -> Figure:
    """A performer in the middle of the picture, as large as the whole motion leaves room for."""
    flat = motion[..., :2].reshape(-1, 2)
    low, high = flat.min(axis=0) - 0.16, flat.max(axis=0) + 0.12  # the joints, and what is around them
    width, height = SIZE
    room_for = np.array([width, height]) - 2 * MARGIN * height
    metre = float(min(room_for / (high - low)))
    corner = np.array([width / 2, height * (1 - MARGIN)]) - metre * np.array([(low[0] + high[0]) / 2, high[1]])
    return Figure(motion * metre + np.append(corner, 0.0), metre, clothes)


def behind(motion: Floats, performer: Figure) -> Figure:
    """Somebody in the background, 0.6 times as large as the performer, in the middle of the picture."""
    metre = 0.6 * performer.metre
    ground = 0.96 * float(performer.joints[..., 1].max())
    return Figure(motion * metre + np.array([SIZE[0] / 2, ground - 0.04 * metre, 0.0]), metre, GREEN)


def pictures(figures: Sequence[Figure]) -> Iterator[Image]:
    """Frames [H, W, 3] with everybody in them, the last before the others."""
    floor = max(float(one.joints[..., 1].max()) for one in figures)
    empty = room(SIZE, floor - 0.1 * SIZE[1])
    for frame in range(len(figures[0].joints)):
        image = empty
        for one in figures:
            image = draw_mannequin(image, one.joints[frame], one.metre, one.clothes)
        yield image


def write_video(path: Path, frames: Iterable[Image], rate: Fraction | int = RATE) -> Path:
    """Write frames of one size, even in both directions, as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(frames):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_still(path: Path, figure: Figure, frame: int) -> Path:
    """Write one frame as PNG."""
    (image,) = pictures([Figure(figure.joints[frame : frame + 1], figure.metre, figure.clothes)])
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    return path


# The set ------------------------------------------------------------------------------------------------------------


def write_set(folder: Path) -> None:
    """Write the videos and stills that the project's pictures are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / "squat_reference.mp4", pictures([placed(seen(SQUAT, azimuth=SIDE))]))
    attempt = with_fault(seen(SQUAT + OTHER, azimuth=SIDE), "trunk", 30, 0.4, 0.6)
    write_video(folder / "squat_attempt.mp4", pictures([placed(slower(attempt, 0.6, 0.9, 0.6), clothes=RED)]))
    write_video(folder / "star_jump.mp4", pictures([placed(seen(STAR_JUMP), clothes=RED)]))
    three, spans = in_a_row([seen(STAR_JUMP + AGAIN, quality) for quality in (1.0, 0.5, 0.8)])
    performer = placed(three)
    walker = behind(walk(len(three), passes=(spans[0][1] + spans[1][0]) / 2), performer)
    write_video(folder / "three_star_jumps.mp4", pictures([walker, performer]))
    for name, index, degrees, clothes in (("reference", SIDE_KICK, 0, BLUE), ("attempt", SIDE_KICK + OTHER, -30, RED)):
        kick = with_fault(seen(index), "left hip", degrees, 0.2, 0.9)
        write_still(folder / f"kick_{name}.png", placed(kick, clothes=clothes), round(0.55 * len(kick)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(arguments)
    write_set(options.output)
    print(f"{options.output}: {', '.join(sorted(path.name for path in options.output.iterdir()))}")


if __name__ == "__main__":
    main()
