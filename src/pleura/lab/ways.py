"""Named ways of making something wrong, in the order of the tables that list them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Way = TypeVar("Way")


def registering(ways: dict[str, Way]) -> Callable[[str], Callable[[Way], Way]]:
    """A decorator `@way("name")` that enters functions into `ways`."""

    def way(name: str) -> Callable[[Way], Way]:
        def register(make: Way) -> Way:
            ways[name] = make
            return make

        return register

    return way
