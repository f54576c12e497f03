"""Synthetic performances: a seeded articulated body that moves, makes mistakes, is filmed and estimated.

Nothing here comes from a real person. A clip is made in four steps, and quality enters the second only: a body (bone
lengths of human proportions, one body a performer), a motion (key poses in joint angles, joined smoothly, spoilt by
faults that grow as the hidden quality falls), a camera, and a pose estimator (noise, confidences, left-right swaps,
missing joints and frames). The score is the quality on the action's own range plus the noise of the judges. Clip i
depends on (seed, i) alone, so the first clips of a larger set are those of a smaller one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.synthetic_motion.synthetic_actions import ACTIONS, CHANNELS, LEFT, RIGHT, Action, Floats, channels
from poses.cache.keypoint_cache import Provenance, write_clip
from poses.skeleton import FLIP, JOINTS

GENERATOR_VERSION = 1  # raise it whenever the same seed gives other clips: caches of an older version are then rebuilt
CLIPS_PER_PERFORMER_AND_ACTION = 2
TEST_EVERY = 3  # every third performer is in the test part
FRAMES = (40, 80)
JUDGE_NOISE = 0.06  # standard deviation, a share of the action's score range
FAULTS = ("range", "asymmetry", "lean", "bend", "tremor", "timing")
FAULT_SHARES = (1.6, 1.6, 1.6, 1.6, 0.8, 0.8)  # of a Dirichlet distribution: how a performance's faults are made up

# Joint centres: shares of the standing height (after Winter, Biomechanics and Motor Control of Human Movement).
PROPORTIONS = {
    "thigh": 0.245,
    "shank": 0.246,
    "hip": 0.052,
    "trunk": 0.288,
    "shoulder": 0.115,
    "upper_arm": 0.186,
    "forearm": 0.146,
    "head": 0.12,
}

_JOINT = {name: index for index, name in enumerate(JOINTS)}
_SIDES = (("right", RIGHT, -1.0), ("left", LEFT, 1.0))
_ANGLES = [index for index, name in enumerate(CHANNELS) if name not in ("height", "forward")]
_BENDS = channels(".*_(knee|elbow)")
_HARD_TO_SEE = np.array(
    [{"ankle": 1.7, "wrist": 2.2, "knee": 1.2, "elbow": 1.4}.get(n.split("_")[-1], 1.0) for n in JOINTS]
)
_LEGS = [index for index, name in enumerate(JOINTS) if name.endswith(("hip", "knee", "ankle"))]


@dataclass(frozen=True)
class Outline:
    """What is settled about a clip before anybody moves.

    Attributes:
        quality: hidden quality in [0, 1].
        score: what the judges give for it, on the action's range.
        rate: frames a second.
        faults: [P, 6] float64 >= 0, strength of each of `FAULTS` for each of P performers.
        times: [P, K] float64, relative times of the action's keys.
        phases: frames at which the second and later phases begin (of the first performer).
    """

    action: Action
    performer: int
    quality: float
    score: float
    frames: int
    rate: float
    faults: Floats
    times: Floats
    phases: tuple[int, ...]


@dataclass(frozen=True)
class SyntheticClip:
    """One performance.

    Shapes (P persons, F frames):
        xy: [P, F, 15, 2] float32, pixels; NaN where a joint, or all of a frame, was not found.
        confidence: [P, F, 15] float32 in [0, 1]; 0 for a missing joint, NaN in a missing frame.
        time: [F] float64, seconds.
        joints: [P, F, 15, 3] float64, metres; the truth before camera and estimator.
    """

    outline: Outline
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    time: Floats
    joints: Floats


def action_of(index: int) -> Action:
    """The action of clip `index`."""
    return ACTIONS[index % len(ACTIONS)]


def number_of(index: int) -> int:
    """The number of clip `index` among the clips of its action, from 1."""
    return index // len(ACTIONS) + 1


def clip_id_of(index: int) -> str:
    """The id of clip `index` in a cache."""
    return f"{action_of(index).name}_{number_of(index):03d}"


def performer_of(index: int) -> int:
    """The performer (in a clip with two: the pair) of clip `index`."""
    return index // (len(ACTIONS) * CLIPS_PER_PERFORMER_AND_ACTION)


def in_test(index: int) -> bool:
    """Whether clip `index` is in the test part: by performer, so that nobody is on both sides."""
    return performer_of(index) % TEST_EVERY == TEST_EVERY - 1


def _random(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def body_of(seed: int, performer: int, person: int = 0) -> dict[str, float]:
    """Lengths in metres of `PROPORTIONS`, and `height`."""
    random = _random(seed, 1, performer, person)
    height = float(np.clip(random.normal(1.72, 0.09), 1.45, 2.0))
    shares = np.clip(random.normal(1.0, 0.04, len(PROPORTIONS)), 0.9, 1.1)
    lengths = {name: height * share * vary for (name, share), vary in zip(PROPORTIONS.items(), shares, strict=True)}
    return {"height": height} | lengths


def _turn(axis: int, degrees: Floats | float) -> Floats:
    """Rotation matrices [..., 3, 3] about one axis; right-handed."""
    angle = np.radians(np.asarray(degrees, dtype=np.float64))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -matrix[..., second, first]
    return matrix


def _bent(degrees: Floats) -> Floats:
    """Directions [..., 3] of a lower limb in the frame of the upper one, which points to -z; forward is positive."""
    angle = np.radians(degrees)
    return np.stack([np.sin(angle), np.zeros_like(angle), -np.cos(angle)], axis=-1)


def kinematics(angles: Floats, body: dict[str, float]) -> Floats:
    """Joints [F, 15, 3] in metres, pelvis at the origin, of poses [F, 21] (`synthetic_actions.CHANNELS`)."""
    at = {name: angles[:, index] for index, name in enumerate(CHANNELS)}
    joints = np.zeros((len(angles), len(JOINTS), 3))
    pelvis = _turn(1, at["pitch"])
    trunk = pelvis @ _turn(1, at["lean"]) @ _turn(0, at["side"]) @ _turn(2, at["twist"])
    neck = trunk[..., 2] * body["trunk"]
    joints[:, _JOINT["neck"]] = neck
    joints[:, _JOINT["head"]] = neck + (trunk @ _turn(1, at["nod"]))[..., 2] * body["head"]
    for name, _, side in _SIDES:
        hip = side * body["hip"] * pelvis[..., 1]
        thigh = pelvis @ _turn(1, -at[f"{name}_hip"]) @ _turn(0, side * at[f"{name}_spread"])
        knee = hip - thigh[..., 2] * body["thigh"]
        shank = np.einsum("fij,fj->fi", thigh, _bent(-at[f"{name}_knee"]))
        shoulder = neck + side * body["shoulder"] * trunk[..., 1]
        arm = trunk @ _turn(1, -at[f"{name}_arm"]) @ _turn(0, side * at[f"{name}_lift"])
        arm = arm @ _turn(2, side * at[f"{name}_turn"])
        elbow = shoulder - arm[..., 2] * body["upper_arm"]
        forearm = np.einsum("fij,fj->fi", arm, _bent(at[f"{name}_elbow"]))
        joints[:, _JOINT[f"{name}_hip"]] = hip
        joints[:, _JOINT[f"{name}_knee"]] = knee
        joints[:, _JOINT[f"{name}_ankle"]] = knee + shank * body["shank"]
        joints[:, _JOINT[f"{name}_shoulder"]] = shoulder
        joints[:, _JOINT[f"{name}_elbow"]] = elbow
        joints[:, _JOINT[f"{name}_wrist"]] = elbow + forearm * body["forearm"]
    return joints


def interpolate(times: Floats, values: Floats, at: Floats) -> Floats:
    """Monotone cubic interpolation (Fritsch and Butland 1984) of keys, at rest at both ends.

    Args:
        times: [K], increasing from 0 to 1.
        values: [K, C].
        at: [F, C], a time for every frame and channel; outside [0, 1] the ends hold.

    Returns:
        [F, C].
    """
    steps = np.diff(times)[:, None]
    rise = np.diff(values, axis=0) / steps
    before, after = rise[:-1], rise[1:]
    weight = (steps[:-1] + 2 * steps[1:]) / (3 * (steps[:-1] + steps[1:]))
    blend = weight * after + (1 - weight) * before
    same = before * after > 0
    slopes = np.zeros_like(values)  # still at both ends and wherever a joint turns back
    slopes[1:-1] = np.divide(before * after, blend, out=np.zeros_like(blend), where=same)
    at = np.clip(at, 0.0, 1.0)
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    step = steps[left, 0]
    u = (at - times[left]) / step
    column = np.arange(values.shape[1])
    start, end = values[left, column], values[left + 1, column]
    smooth = u * u * (3 - 2 * u)
    bend = step * (slopes[left, column] * u * (1 - u) ** 2 - slopes[left + 1, column] * u * u * (1 - u))
    result: Floats = start + (end - start) * smooth + bend
    return result


def motion(random: np.random.Generator, plan: Outline, person: int, late: float) -> Floats:
    """The action's keys with a personal style and the faults.

    Args:
        random: where style and the details of the faults come from.
        plan: the clip.
        person: which of its performers.
        late: how much later the performer moves, in relative time.

    Returns:
        Poses [F, 21].
    """
    action, frames = plan.action, plan.frames
    reduced, uneven, leaning, bent, trembling, _ = plan.faults[person]
    keys = np.stack([values for _, values in action.keys])
    weak = (RIGHT, LEFT)[random.integers(2)]
    rest = keys.mean(axis=0) if action.support is None else keys[0]
    amplitude = np.full(len(CHANNELS), 1.0 - 0.28 * reduced)
    amplitude[weak] -= 0.16 * uneven
    if action.support is None:
        amplitude[[CHANNELS.index("pitch"), CHANNELS.index("forward")]] = 1.0
    keys = rest + (keys - rest) * np.clip(amplitude, 0.25, 1.0)

    offset = np.zeros(len(CHANNELS))
    offset[_ANGLES] = random.normal(0.0, 2.0, len(_ANGLES))
    offset[weak] += random.normal(0.0, 7.0 * uneven, RIGHT.stop - RIGHT.start)
    offset[CHANNELS.index("lean")] += 14.0 * leaning
    offset[CHANNELS.index("nod")] += 7.0 * leaning
    offset[CHANNELS.index("side")] += 8.0 * leaning * (-1.0, 1.0)[random.integers(2)]
    keys += offset
    # A fault of extension: what should be straight stays bent, what is bent anyway hardly changes.
    more = 22.0 * bent * np.clip(1.0 - keys[:, _BENDS] / 110.0, 0.0, 1.0)
    keys[:, _BENDS] = np.maximum(keys[:, _BENDS] + more, 0.0)
    keys[:, channels(".*_hip")] += 0.5 * more[:, [_BENDS.index(i) for i in channels(".*_knee")]]

    at = np.repeat(np.linspace(0.0, 1.0, frames)[:, None] - late, len(CHANNELS), axis=1)
    at[:, weak] -= 0.02 * uneven
    angles = interpolate(plan.times[person], keys, at)
    hertz, shift = random.uniform(2.0, 5.0, len(_ANGLES)), random.uniform(0.0, 2 * np.pi, len(_ANGLES))
    swing = np.sin(2 * np.pi * hertz * np.arange(frames)[:, None] / plan.rate + shift)
    angles[:, _ANGLES] += 3.0 * trembling * swing
    angles[:, _BENDS] = np.maximum(angles[:, _BENDS], 0.0)
    return angles


def _stand(joints: Floats, angles: Floats, action: Action, body: dict[str, float]) -> Floats:
    """Put the body [F, 15, 3] on the ground, its support in place, or let the pelvis follow the keys."""
    path = np.zeros((len(joints), 3))
    path[:, 2] = angles[:, CHANNELS.index("height")]
    ankles = joints[:, [_JOINT["right_ankle"], _JOINT["left_ankle"]]]
    if action.support is None:
        path[:, 0] = angles[:, CHANNELS.index("forward")]
        path[:, 2] += body["thigh"] + body["shank"]
    else:
        path[:, :2] -= joints[:, [_JOINT[name] for name in action.support], :2].mean(axis=1)
        path[:, 2] -= ankles[..., 2].min(axis=1)
    path[:, 2] += 0.04 * body["height"]
    return joints + path[:, None]


def _film(random: np.random.Generator, joints: Floats, action: Action) -> tuple[Floats, float]:
    """Pixels [P, F, 15, 2] through a pinhole camera, and pixels per metre."""
    width, height = ((1280, 720), (1920, 1080), (854, 480))[random.integers(3)]
    azimuth = action.azimuth + random.uniform(-12.0, 12.0)
    turn = _turn(0, random.normal(0.0, 2.0)) @ _turn(1, random.uniform(-4.0, 14.0)) @ _turn(2, -azimuth)
    scale, distance = height * random.uniform(0.22, 0.29), random.uniform(5.0, 10.0)
    centre = np.array([width * random.uniform(0.38, 0.62), height * random.uniform(0.52, 0.6)])
    aim = np.array([0.0, 0.0, 1.0]) + np.zeros((joints.shape[1], 3))
    if action.support is None:  # the camera follows a body in the air, with a little delay
        aim = joints[0, :, _JOINT["pelvis"]] * 0.85
    seen = (joints - aim[:, None]) @ turn.T
    # The camera looks along -x of the turned frame: right in the image is +y, down is -z.
    scaled = scale * distance / (distance - seen[..., 0])
    return centre + np.stack([seen[..., 1], -seen[..., 2]], axis=-1) * scaled[..., None], scale


def _smooth(random: np.random.Generator, *shape: int) -> Floats:
    """Standard normal noise [F, ...], correlated over a few frames."""
    white = random.normal(size=(shape[0] + 4, *shape[1:]))
    result: Floats = (white[:-4] + white[1:-3] + white[2:-2] + white[3:-1] + white[4:]) / np.sqrt(5.0)
    return result


def estimate(random: np.random.Generator, xy: Floats, size: float) -> tuple[Floats, Floats]:
    """What a pose estimator makes of one person.

    Args:
        random: where the noise comes from.
        xy: [F, 15, 2], pixels.
        size: standing height in pixels; the noise is proportional to it.

    Returns:
        Noisy pixels [F, 15, 2] and confidences [F, 15]; NaN and 0 for a missing joint, all NaN in a missing frame.
    """
    frames = len(xy)
    noise = 0.009 * _HARD_TO_SEE * np.exp(0.45 * _smooth(random, frames, len(JOINTS)) + random.normal(0.0, 0.2))
    jitter = 0.8 * _smooth(random, frames, len(JOINTS), 2) + 0.6 * random.normal(size=xy.shape)
    xy = xy + size * noise[..., None] * jitter
    confidence = np.clip(1.0 - 11.0 * noise + random.normal(0.0, 0.03, noise.shape), 0.05, 0.99)
    for _ in range(random.poisson(0.4)):  # left taken for right for a moment: the legs, or everything
        start, length = random.integers(frames), random.integers(1, 4)
        joints = np.array(_LEGS if random.random() < 0.6 else range(len(JOINTS)))
        swapped = np.array(FLIP)[joints]
        run = slice(start, start + length)
        xy[run, joints], confidence[run, joints] = xy[run, swapped], confidence[run, swapped]
    missing = (confidence < 0.2) | (random.random(confidence.shape) < 0.003)
    for joint in random.integers(len(JOINTS), size=random.poisson(1.0)):  # hidden for a while
        start = random.integers(frames)
        missing[start : start + random.integers(3, 10), joint] = True
    xy[missing], confidence[missing] = np.nan, 0.0
    for _ in range(random.poisson(0.6)):  # nobody found
        start = random.integers(frames)
        run = slice(start, start + random.integers(1, 5))
        xy[run], confidence[run] = np.nan, np.nan
    return xy, confidence


def outline(seed: int, index: int, quality: float | None = None) -> Outline:
    """What clip `index` of the set `seed` will be; see `perform`."""
    action = action_of(index)
    random = _random(seed, 0, index)
    frames, rate = int(random.integers(FRAMES[0], FRAMES[1] + 1)), (25.0, 30.0)[random.integers(2)]
    drawn, judges = random.uniform(), random.normal(0.0, JUDGE_NOISE)
    quality = float(drawn if quality is None else quality)
    low, high = action.score_range
    score = round(low + (high - low) * min(max(quality + judges, 0.0), 1.0), 2)
    # Which faults a performance has is chance, how strong they are together is its quality.
    faults = (1.0 - quality) * len(FAULTS) * random.dirichlet(FAULT_SHARES, size=action.performers)
    gaps = np.diff([time for time, _ in action.keys])
    spread = (0.012 + 0.03 * faults[:, -1:]) / gaps.mean()
    gaps = gaps * np.exp(spread * random.normal(size=(action.performers, len(gaps))))
    times = np.zeros((action.performers, len(action.keys)))
    times[:, 1:] = np.cumsum(gaps, axis=1) / gaps.sum(axis=1, keepdims=True)
    order = np.arange(len(action.phases))
    begins = np.ceil(times[0, list(action.phases)] * (frames - 1)).astype(int)
    phases = np.maximum.accumulate(np.minimum(begins - order, frames - len(order))) + order  # none without a frame
    return Outline(
        action, performer_of(index), quality, score, frames, rate, faults, times, tuple(int(f) for f in phases)
    )


def perform(seed: int, index: int, quality: float | None = None) -> SyntheticClip:
    """Clip `index` of the set `seed`; depends on nothing else.

    Args:
        seed: of the whole set.
        index: of the clip, from 0.
        quality: in [0, 1], in place of the drawn one. Body, camera and estimator stay the same.
    """
    plan = outline(seed, index, quality)
    random = _random(seed, 2, index)
    persons = plan.action.performers
    joints = np.empty((persons, plan.frames, len(JOINTS), 3))
    bodies = [body_of(seed, plan.performer, person) for person in range(persons)]
    for person, body in enumerate(bodies):
        late = (0.02 + 0.05 * (1.0 - plan.quality)) * random.normal() if person else 0.0
        angles = motion(random, plan, person, late)
        joints[person] = _stand(kinematics(angles, body), angles, plan.action, body)
        joints[person, ..., 1] += 1.1 * person
    filmed, scale = _film(random, joints, plan.action)
    estimates = [estimate(random, xy, scale * body["height"]) for xy, body in zip(filmed, bodies, strict=True)]
    return SyntheticClip(
        plan,
        np.stack([xy for xy, _ in estimates]).astype(np.float32),
        np.stack([confidence for _, confidence in estimates]).astype(np.float32),
        np.arange(plan.frames) / plan.rate,
        joints,
    )


def write_performance(cache: str | Path, seed: int, index: int) -> Path:
    """Write clip `index` of the set `seed` into a keypoint cache; frames count from 0, persons too.

    Raises:
        InputError: the file cannot be written.
    """
    clip = perform(seed, index)
    persons, frames = clip.xy.shape[:2]
    return write_clip(
        cache,
        clip_id_of(index),
        xy=clip.xy.reshape(-1, len(JOINTS), 2),
        confidence=clip.confidence.reshape(-1, len(JOINTS)),
        frame=np.tile(np.arange(frames), persons),
        person=np.repeat(np.arange(persons), frames),
        time=np.tile(clip.time, persons),
        provenance=Provenance(
            source="synthetic", estimator=f"datamodules.synthetic_motion.synthetic {GENERATOR_VERSION}, seed {seed}"
        ),
    )
