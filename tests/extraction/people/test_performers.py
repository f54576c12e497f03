import numpy as np
import pytest

from extraction.people.performers import LONGEST_GAP, Track, choose_performers, join
from extraction.people.tracking import Tracker
from tests.extraction.park_boxes import FRAMES as PARK_FRAMES
from tests.extraction.park_boxes import PEOPLE
from tests.extraction.park_boxes import SIZE as PARK_SIZE
from tests.extraction.park_boxes import people as park_people

FRAMES, SIZE = 100, (1280, 720)
# x to the right and y downwards, in heights, about the middle of the body
_SIDE = [(0.05, 0.48), (0.05, 0.25), (0.05, 0.02), (0.12, 0.05), (0.1, -0.12), (0.08, -0.28)]  # ankle to shoulder
_RIGHT = [(-x, y) for x, y in _SIDE]
BODY = np.array([*_RIGHT[:3], (0, 0.02), *_SIDE[2::-1], *_RIGHT[3:], (0, -0.28), *_SIDE[:2:-1], (0, -0.43)])
TIME = np.arange(FRAMES)


def somebody(
    number: int, x: np.ndarray | float, y: np.ndarray | float, height: float, *, turn: np.ndarray | float = 0.0
) -> Track:
    """A person seen in all frames, at (x, y), turned by `turn` radians; all shake a little as detectors do."""
    noise = np.random.default_rng(number)
    x, y, turn = (np.broadcast_to(np.asarray(value, np.float64), (FRAMES,)) for value in (x, y, turn))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)
    joints = height * BODY @ rotation.transpose(0, 2, 1) + np.stack([x, y], axis=1)[:, None]
    joints = joints + noise.normal(0, 0.01 * height, joints.shape)
    margin = 0.05 * height
    boxes = np.concatenate([joints.min(axis=1) - margin, joints.max(axis=1) + margin], axis=1)
    boxes = boxes + noise.normal(0, 0.01 * height, boxes.shape)
    confidence = np.full((FRAMES, 15), 0.9, np.float32)
    return Track(number, TIME.astype(np.int64), boxes.astype(np.float32), joints.astype(np.float32), confidence)


def cut(track: Track, *ranges: range, numbers: int | None = None) -> Track:
    """Only some of a track's frames."""
    kept = np.isin(track.frame, [frame for part in ranges for frame in part])
    number = track.number if numbers is None else numbers
    return Track(number, track.frame[kept], track.boxes[kept], track.xy[kept], track.confidence[kept])


def later(track: Track, frames: int) -> Track:
    return Track(track.number, track.frame + frames, track.boxes, track.xy, track.confidence)


def in_the_image(track: Track) -> Track:
    """Only the frames in which the person is in the image, boxes cut at its edges."""
    limits = np.array([*SIZE, *SIZE], np.float32) - 1
    middle = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    seen = ((middle > 0) & (middle < SIZE)).all(axis=1)
    boxes = np.clip(track.boxes, 0, limits)
    return Track(track.number, track.frame[seen], boxes[seen], track.xy[seen], track.confidence[seen])


def diver(number: int, x: float = 400.0, height: float = 120.0, start: int = 30) -> Track:
    """Stands, then somersaults down until the splash in frame 75."""
    fall = np.clip(TIME - start, 0, None)
    track = somebody(number, x + 2.0 * fall, 150 + 0.25 * fall**2, height, turn=0.25 * fall)
    return cut(track, range(75))


def chosen(tracks: list[Track], performers: int | None) -> list[list[int]]:
    selection = choose_performers(tracks, FRAMES, SIZE, performers)
    assert len(selection.reasons) == len(tracks)
    assert all(selection.reasons)
    for rank, parts in enumerate(selection.performers, 1):
        assert all(selection.reasons[part].startswith(f"performer {rank}") for part in parts)
        frames = np.concatenate([tracks[part].frame for part in parts])
        assert (np.diff(frames) > 0).all()
    kept = {part for parts in selection.performers for part in parts}
    assert all(selection.reasons[part].startswith("dropped") for part in range(len(tracks)) if part not in kept)
    return selection.performers


def test_large_spectators_who_stand_still_at_the_edge_are_dropped() -> None:
    spectators = [in_the_image(somebody(i, x, 560, 380)) for i, x in enumerate((60.0, 250.0, 1220.0))]
    tracks = [*spectators, diver(9)]
    assert chosen(tracks, 1) == [[3]]
    reasons = choose_performers(tracks, FRAMES, SIZE, 1).reasons
    assert "hardly moves" in reasons[0]
    assert "moves less" in reasons[0]
    assert "hardly" not in reasons[3]


def test_a_judge_who_walks_by_is_dropped() -> None:
    step = 0.15 * np.sin(0.6 * TIME)
    judge = somebody(0, 1200 - 10.0 * TIME, 500, 160, turn=step)
    reasons = choose_performers([judge, diver(1)], FRAMES, SIZE, 1).reasons
    assert chosen([judge, diver(1)], 1) == [[1]]
    assert "goes by steadily" in reasons[0]


def test_somebody_small_and_shaky_at_the_back_is_dropped() -> None:
    shaky = somebody(0, 900 + 30 * np.sin(1.7 * TIME), 200, 25, turn=np.sin(2.3 * TIME))
    assert chosen([cut(shaky, range(20)), diver(1)], 1) == [[1]]


@pytest.mark.parametrize("joints", [True, False])
def test_a_diver_who_is_lost_while_tumbling_is_one_performer(joints: bool) -> None:
    whole = diver(1)
    fragments = [cut(whole, range(40)), cut(whole, range(45, 58), numbers=5), cut(whole, range(60, 75), numbers=6)]
    if not joints:
        fragments = [
            Track(f.number, f.frame, f.boxes, np.full_like(f.xy, np.nan), np.full_like(f.confidence, np.nan))
            for f in fragments
        ]
    spectator = somebody(2, 640, 600, 200)
    tracks = [fragments[2], spectator, fragments[0], fragments[1]]
    assert chosen(tracks, 1) == [[2, 3, 0]]
    assert "(part 3 of 3)" in choose_performers(tracks, FRAMES, SIZE, 1).reasons[0]


def test_tracks_are_not_joined_over_a_long_gap_a_jump_or_another_size() -> None:
    still = somebody(0, 300, 300, 100)
    assert join([still, later(still, FRAMES + LONGEST_GAP)]) == [[0, 1]]
    assert join([still, later(still, FRAMES + LONGEST_GAP + 1)]) == [[0], [1]]
    assert join([cut(still, range(30)), cut(somebody(1, 420, 300, 100), range(35, 100))]) == [[0], [1]]
    assert join([cut(still, range(30)), cut(somebody(1, 300, 300, 260), range(35, 100))]) == [[0], [1]]
    assert join([cut(still, range(30)), cut(still, range(29, 100))]) == [[0], [1]]  # both in one frame
    assert join([]) == []


def test_a_box_of_a_moment_is_not_joined_over_a_gap_that_whole_tracks_are() -> None:
    still = somebody(0, 300, 300, 100)
    moment = cut(somebody(1, 310, 300, 100), range(60, 61))
    assert join([cut(still, range(40)), moment, cut(still, range(70, 100))]) == [[0, 2], [1]]


def test_a_fragment_of_a_single_frame_is_joined() -> None:
    whole = diver(1)
    assert join([cut(whole, range(50)), cut(whole, range(52, 53)), cut(whole, range(55, 75))]) == [[0, 1, 2]]


def test_where_the_estimator_sees_nobody_there_is_nobody() -> None:
    """A box jumps about and the estimator says that it is empty; of the diver's track the last frames are."""
    empty = somebody(0, 640 + 300 * np.sin(1.7 * TIME), 400, 300)
    empty.confidence[:] = 0
    lost = diver(1)
    lost.confidence[50:] = 0
    tracks = [empty, lost, cut(somebody(3, 640, 600, 200), range(60))]
    assert chosen(tracks, 1) == [[1]]
    assert choose_performers(tracks, FRAMES, SIZE, 1).reasons[0] == "dropped: the estimator sees no body there"
    assert chosen([empty], 1) == []


def test_of_two_that_could_follow_the_nearer_does() -> None:
    still = somebody(0, 300, 300, 100)
    near, far = cut(somebody(1, 305, 300, 100), range(40, 100)), cut(somebody(2, 330, 300, 100), range(40, 100))
    assert join([far, cut(still, range(38)), near]) == [[0], [1, 2]]


@pytest.mark.parametrize("steady", [True, False])
def test_a_camera_that_follows_the_diver(steady: bool) -> None:
    """The diver hardly leaves the middle of the image; the spectators fly through it, some stay in it throughout."""
    pan = 6.0 * TIME if steady else 3 * np.clip(TIME - 30, 0, 45) + 40 * np.sin(0.3 * TIME)
    fall = np.clip(TIME - 30, 0, None)
    performer = cut(somebody(0, 640 + 0.3 * TIME, 360, 140, turn=0.25 * fall), range(75))
    tracks = [performer] + [in_the_image(somebody(i, 250.0 * i - pan, 500, 200)) for i in range(1, 8)]
    tracks = [track for track in tracks if len(track.frame)]
    assert chosen(tracks, 1) == [[0]]
    assert sum(len(track.frame) == FRAMES for track in tracks) >= 1


def test_two_synchronised_divers_and_a_coach() -> None:
    coach = somebody(0, 900, 560, 170, turn=0.1 * np.sin(0.1 * TIME))
    assert sorted(chosen([coach, diver(1, 400), diver(2, 520, 110)], 2)) == [[1], [2]]


def test_a_better_single_performer_does_not_break_a_pair() -> None:
    """Somebody wild in the foreground scores more than either of the two, but is like neither."""
    wild = somebody(0, 900 + 300 * np.sin(0.3 * TIME), 500, 300, turn=np.sin(0.5 * TIME))
    tracks = [wild, diver(1, 400), diver(2, 520, 110)]
    assert chosen(tracks, 1) == [[0]]
    assert sorted(chosen(tracks, 2)) == [[1], [2]]


def test_two_fragments_of_a_diver_are_not_a_pair() -> None:
    a, b = diver(1, 400), diver(2, 520, 110)
    tracks = [cut(a, range(50)), cut(a, range(56, 75)), b]
    assert sorted(chosen(tracks, 2)) == [[0, 1], [2]]
    # even where they cannot be joined, because too much is missing
    tracks = [cut(a, range(20)), cut(a, range(50, 75)), b]
    assert [2] in chosen(tracks, 2)
    assert len(chosen(tracks, 2)) == 2
    assert len(chosen(tracks[:2], 2)) == 1


def test_a_spectator_does_not_take_the_place_of_the_second_diver() -> None:
    tracks = [diver(1), somebody(0, 640, 600, 200)]
    assert chosen(tracks, 2) == [[0]]
    assert "is not like the performer" in choose_performers(tracks, FRAMES, SIZE, 2).reasons[1]


def without_joints(track: Track) -> Track:
    """As where boxes are all that is known."""
    return Track(
        track.number, track.frame, track.boxes, np.full_like(track.xy, np.nan), np.full_like(track.confidence, np.nan)
    )


def test_who_jumps_on_the_spot_moves() -> None:
    jumping = without_joints(somebody(0, 300, 400 - 60 * np.abs(np.sin(0.2 * TIME)), 150))
    assert chosen([jumping, without_joints(somebody(1, 800, 400, 220))], 1) == [[0]]


def test_who_crouches_moves() -> None:
    """The middle stays, only the sides of the box change."""
    height = 150 - 60 * np.abs(np.sin(0.2 * TIME))
    half, middle = np.stack([0.2 * height, height / 2], axis=1), np.array([300, 400])
    boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
    still = without_joints(somebody(1, 800, 400, 220))
    crouching = Track(0, still.frame, boxes, still.xy, still.confidence)
    assert chosen([crouching, still], 1) == [[0]]


def test_who_turns_in_a_box_that_stays_the_same_moves() -> None:
    """As with BlazePose, whose boxes are squares."""
    turning, still = somebody(0, 300, 400, 150, turn=0.3 * TIME), somebody(1, 800, 400, 220)
    turning.boxes[:] = (200, 300, 400, 500)
    still.boxes[:] = (680, 280, 920, 520)
    assert chosen([turning, still], 1) == [[0]]


def test_joints_that_the_estimator_guesses_do_not_move() -> None:
    performer, guessed = somebody(0, 300, 400, 150, turn=0.7 * np.sin(0.2 * TIME)), somebody(1, 800, 400, 220)
    guessed.xy[:, ::2] += np.random.default_rng(3).normal(0, 150, (FRAMES, 8, 2)).astype(np.float32)
    guessed.confidence[:, ::2] = 0.01
    assert chosen([performer, guessed], 1) == [[0]]


def test_a_camera_that_shakes_moves_everybody_alike() -> None:
    """The camera is jerked after somebody who turns gently; four larger spectators are in the image throughout."""
    jerk = 120 * np.sin(0.2 * TIME)
    performer = somebody(0, 640, 300, 150, turn=0.4 * np.sin(0.15 * TIME))
    tracks = [performer, *(somebody(i, 300.0 * i - 120 - jerk, 500, 250) for i in range(1, 5))]
    tracks = [performer, *(in_the_image(track) for track in tracks[1:])]
    assert all(len(track.frame) == FRAMES for track in tracks)
    assert chosen(tracks, 1) == [[0]]


def test_being_near_the_camera_is_worth_less_than_being_active() -> None:
    waving = somebody(0, 1000, 400, 560, turn=0.5 * np.sin(0.2 * TIME))
    assert chosen([waving, diver(1, height=80)], 1) == [[1]]


def test_who_is_seen_for_a_moment_is_not_the_performer() -> None:
    wild = cut(somebody(0, 900 + 300 * np.sin(TIME), 400, 150, turn=TIME), range(40, 52))
    assert chosen([wild, somebody(1, 300, 400, 150, turn=0.7 * np.sin(0.2 * TIME))], 1) == [[1]]


def test_a_mistaken_identity_that_jumps_through_the_image_is_not_the_performer() -> None:
    jump = somebody(0, np.where(TIME % 40 < 20, 100, 1200), 300, 40)
    assert chosen([jump, diver(1, height=200)], 1) == [[1]]


def test_somebody_at_the_edge_of_the_image_is_no_performer_for_coming_in_and_out() -> None:
    """The cut box changes its sides and its middle, though the person but sways."""
    swaying = in_the_image(somebody(0, 60 + 60 * np.sin(0.1 * TIME), 400, 500))
    performer = somebody(1, 700, 400, 150, turn=0.6 * np.sin(0.2 * TIME))
    assert chosen([swaying, performer], 1) == [[1]]


def test_tracks_that_share_a_frame_are_not_joined_even_where_nobody_is_seen_in_it() -> None:
    still = somebody(0, 300, 300, 100)
    second = cut(still, range(40, 100))
    second.confidence[:15] = 0
    assert join([cut(still, range(50)), second]) == [[0], [1]]
    assert join([cut(still, range(40)), second]) == [[0, 1]]


def test_nobody_and_fewer_people_than_asked_for() -> None:
    assert chosen([], 1) == []
    assert chosen([], 2) == []
    assert chosen([], None) == []
    assert chosen([diver(4)], 2) == [[0]]
    assert chosen([diver(4)], 1) == [[0]]


def test_everybody_is_kept_best_first() -> None:
    tracks = [somebody(0, 200, 500, 100), diver(1), somebody(2, 900, 500, 300)]
    assert chosen(tracks, None) == [[1], [2], [0]]


def test_in_a_photograph_the_largest_comes_first() -> None:
    tracks = [cut(somebody(i, 200 + 100 * i, 360, height), range(1)) for i, height in enumerate((100, 300, 200))]
    selection = choose_performers(tracks, 1, SIZE, None)
    assert selection.performers == [[1], [2], [0]]


def test_alone_and_still_is_a_performer() -> None:
    large, small = somebody(0, 640, 360, 500), somebody(1, 100, 600, 60)
    assert chosen([small, large], 1) == [[1]]


def test_the_order_of_the_tracks_does_not_matter() -> None:
    tracks = [somebody(0, 60, 560, 300), diver(1), diver(2, 520, 110), somebody(3, 900, 560, 170)]
    numbers = {frozenset(tracks[i].number for i in parts) for parts in chosen(tracks, 2)}
    turned = tracks[::-1]
    assert {frozenset(turned[i].number for i in parts) for parts in chosen(turned, 2)} == numbers


def test_in_the_park_it_is_about_the_somersault_and_not_about_who_walks_by() -> None:
    """By size and continuity alone the two are near one another; the walker moves further, but steadily."""
    tracker = Tracker(frame_rate=30)
    rows: dict[int, list[tuple[int, np.ndarray, int]]] = {}
    for frame, (found, who) in enumerate(park_people()):
        for number, box, person in zip(tracker.update(found).tolist(), found.boxes, who, strict=True):
            rows.setdefault(number, []).append((frame, box, person))
    tracks = [
        Track(
            number,
            np.array([frame for frame, _, _ in row]),
            np.stack([box for _, box, _ in row]),
            np.full((len(row), 15, 2), np.nan, np.float32),
            np.full((len(row), 15), np.nan, np.float32),
        )
        for number, row in rows.items()
    ]
    selection = choose_performers(tracks, PARK_FRAMES, PARK_SIZE, 1)
    ((track,),) = selection.performers
    assert {person for _, _, person in rows[tracks[track].number]} == {PEOPLE.index(PEOPLE[0])}
    (walker,) = {i for i, one in enumerate(tracks) if any(person == 1 for _, _, person in rows[one.number])}
    assert selection.reasons[walker].startswith("dropped")
    assert "goes by steadily" in selection.reasons[walker]
    assert choose_performers(tracks, PARK_FRAMES, PARK_SIZE, 2).performers == [[track]]
