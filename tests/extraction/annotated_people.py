"""The annotated people in the photographs."""

import functools

from benchmarks import people
from tests.conftest import shared_data


@functools.cache
def annotated(source: str) -> tuple[people.Person, ...]:
    """The people of "mpii" or "coco", as `benchmarks.people` reads them."""
    return tuple(people.annotated(shared_data("people"), source))
