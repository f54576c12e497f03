"""Running a stage of the pipeline in a thread of its own, a bounded number of items ahead."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class _End:
    """The stage is through, or broke with `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """The same items in the same order, made in another thread, at most `count` ahead.

    What the other thread raises is raised here, where its item would have come. When this iterator is closed early, so
    is the other thread.

    Args:
        items: iterated over in the other thread.
        count: items that wait at the most, at least 1.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(count)
    closed = threading.Event()

    def put(item: T | _End) -> bool:
        while not closed.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        closed.set()
        thread.join()
