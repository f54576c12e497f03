import sys
import warnings

import numpy as np
import pytest

from extraction.people.tracking import USUAL_RATE, Tracker, frame_rate
from extraction.types import People
from tests.extraction.park_boxes import PEOPLE, boxes_of
from tests.extraction.park_boxes import people as park_people


def people(*boxes: tuple[float, float, float, float], score: float = 1.0) -> People:
    return People(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), score, np.float32))


def at(x: float, y: float, width: float = 40, height: float = 100) -> tuple[float, float, float, float]:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def test_everybody_has_a_number_from_the_first_frame_on_and_keeps_it() -> None:
    tracker = Tracker()
    first = tracker.update(people(at(100, 100), at(300, 100)))
    assert first.dtype == np.int64
    assert len(set(first.tolist())) == 2
    assert (first >= 0).all()
    second = tracker.update(people(at(303, 100), at(103, 100), at(500, 100)))  # in another order, and a newcomer
    assert second[:2].tolist() == first[::-1].tolist()
    assert second[2] not in [-1, *first]
    third = tracker.update(people(at(506, 100), at(106, 100)))
    assert third.tolist() == [second[2], first[0]]


def test_nobody_and_people_too_unsure() -> None:
    tracker = Tracker()
    assert tracker.update(people()).shape == (0,)
    assert tracker.update(people(at(100, 100), score=0.2)).tolist() == [-1]
    (number,) = tracker.update(people(at(100, 100), score=0.9))
    assert tracker.update(people(at(101, 100), score=0.9)).tolist() == [number]
    assert tracker.update(people(at(102, 100), score=0.2)).tolist() == [number]  # who is followed may become unsure


def test_two_in_one_place_are_told_apart_by_their_score() -> None:
    tracker = Tracker()
    boxes = np.array([at(100, 100), at(104, 100)], np.float32)
    for shift in range(5):
        numbers = tracker.update(People(boxes + np.float32(shift), np.array([0.9, 0.8], np.float32)))
        assert numbers.tolist() == [0, 1]


def test_somebody_lost_for_a_moment_is_found_again_but_not_for_ever() -> None:
    tracker = Tracker(frame_rate=25)
    for frame in range(10):
        (number,) = tracker.update(people(at(100 + 4 * frame, 100)))
    for _ in range(5):
        tracker.update(people())
    assert tracker.update(people(at(160, 100))).tolist() == [number]
    for _ in range(26):
        tracker.update(people())
    assert tracker.update(people(at(160, 100))).tolist() != [number]


def test_a_falling_body_that_tucks_is_followed() -> None:
    tracker = Tracker()
    numbers = []
    for frame in range(40):
        turn = np.pi / 8 * max(frame - 8, 0)
        width, height = 50 + 40 * abs(np.sin(turn)), 60 + 60 * abs(np.cos(turn))
        fallen = 0.5 * 0.5 * max(frame - 8, 0) ** 2
        numbers += tracker.update(people(at(200 + 2 * frame, 80 + fallen, width, height))).tolist()
    assert set(numbers) == {0}


def test_two_trackers_share_nothing() -> None:
    one, other = Tracker(), Tracker()
    one.update(people(at(100, 100), at(200, 100)))
    assert other.update(people(at(300, 100))).tolist() == [0]


def test_the_tracker_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Tracker().update(people(at(100, 100)))
    assert capfd.readouterr() == ("", "")
    assert "supervision" in sys.modules


def test_the_people_of_the_park_keep_their_numbers_through_a_somersault() -> None:
    tracker = Tracker(frame_rate=30)
    numbers: dict[int, list[int]] = {i: [] for i in range(len(PEOPLE))}
    for found, who in park_people():
        for number, person in zip(tracker.update(found).tolist(), who, strict=True):
            numbers[person].append(number)
    assert len(numbers[0]) == len(boxes_of(PEOPLE[0])) == 221
    assert set(numbers[0]) == {0}
    assert len(set(numbers[1])) == 1
    assert set(numbers[1]).isdisjoint(numbers[0])


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([0.0, 0.04, 0.08, 0.2], 25.0),
        ([0.0, 0.02], 50.0),
        ([0.0], USUAL_RATE),
        ([], USUAL_RATE),
        ([np.nan, np.nan], USUAL_RATE),
    ],
)
def test_the_rate_is_that_of_most_steps(times: list[float], rate: float) -> None:
    assert frame_rate(times) == pytest.approx(rate)
