"""Videos of a stick figure, made from keypoints: what is in the picture is known to the pixel."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from drawing.overlay import draw_skeleton
from experiments.made_up_videos import write_video
from extraction.reading.media import ClipMedia
from feedback.subjects import Subject


def stick_video(folder: Path, clip: Subject, size: tuple[int, int] = (640, 480)) -> Subject:
    """Write `<folder>/<name>.mp4`, with the clip's frames and times, and return the clip with it as its media.

    Poses are moved and scaled to fit into the picture together; the keypoints returned are those of the video. A frame
    without a pose is empty.

    Args:
        folder: where to write.
        clip: keypoints in any unit; frames numbered from 0, at a steady rate.
        size: width and height in pixels, even numbers.
    """
    low, high = np.nanmin(clip.xy, axis=(0, 1)), np.nanmax(clip.xy, axis=(0, 1))
    scale = 0.86 * float(min(np.array(size) / (high - low)))
    xy = (clip.xy - (low + high) / 2) * scale + np.array(size) / 2
    path = folder / f"{clip.name}.mp4"
    rate = (
        Fraction(1 / float(np.diff(clip.time).mean())).limit_denominator(1000) if len(clip.time) > 1 else Fraction(25)
    )
    wall = np.full((size[1], size[0], 3), (206, 214, 222), np.uint8)
    wall[-size[1] // 12 :] = (170, 158, 140)
    write_video(path, (draw_skeleton(wall, pose, thickness=6) for pose in xy), rate)
    media = ClipMedia(clip.name, "made up", (path,), None, 1, folder)
    return replace(clip, name=path.name, xy=xy.astype(np.float32), media=media)
