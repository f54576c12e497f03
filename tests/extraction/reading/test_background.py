import threading
from collections.abc import Iterator

import pytest

from extraction.reading.background import ahead


def test_items_come_in_order_and_a_bounded_number_ahead() -> None:
    most = 1 + 3 + 1  # taken, waiting, one in hand
    enough, too_many = threading.Event(), threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(20):
            if number == most - 1:
                enough.set()
            if number == most:
                too_many.set()
            yield number

    taken = ahead(numbers(), 3)
    assert next(taken) == 0
    assert enough.wait(60)
    assert not too_many.wait(0.1)
    assert list(taken) == list(range(1, 20))


def test_the_work_is_done_in_another_thread_while_this_one_waits() -> None:
    def names() -> Iterator[str]:
        for _ in range(5):
            yield threading.current_thread().name

    assert set(ahead(names(), 2)) == {"ahead"}


def test_an_error_arrives_where_its_item_would_have_come() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk on fire")

    taken = ahead(broken(), 2)
    assert next(taken) == 1
    with pytest.raises(OSError, match="disk on fire"):
        next(taken)


def test_closing_ends_the_other_thread() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    before = threading.active_count()
    taken = ahead(endless(), 2)
    next(taken)
    taken.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
