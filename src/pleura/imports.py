"""Importing libraries without parts of them that pleura doesn't want or never uses."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, local
from types import ModuleType

_own_process = False


def claim_process() -> None:
    """Say that this process is pleura's own command line, where `spared` may leave parts out."""
    global _own_process
    _own_process = True


class _Refusal:
    """Finds nothing, but stops the search for what is hidden from the thread that asks.

    A None in `sys.modules`, the usual way, would halt the imports of other threads as well.
    """

    def __init__(self) -> None:
        self._hidden = local()

    @property
    def names(self) -> Counter[str]:
        """What is hidden from this thread, and how often."""
        if not hasattr(self._hidden, "names"):
            self._hidden.names = Counter()
        names: Counter[str] = self._hidden.names
        return names

    def find_spec(self, name: str, _path: object, _target: object = None, /) -> None:
        if self.names[name]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


_refusal = _Refusal()
_lock = Lock()  # never held while something is imported
_users: Counter[str] = Counter()  # of all threads
_aside: dict[str, ModuleType] = {}  # loaded before, out of `sys.modules` while they have users


@contextmanager
def hidden(*modules: str) -> Iterator[None]:
    """Meanwhile, importing these modules fails in this thread as if they weren't installed.

    Another thread that imports one meanwhile gets it, a fresh one if it was loaded before.
    """
    with _lock:
        if _refusal not in sys.meta_path:
            sys.meta_path.insert(0, _refusal)  # for good: others may be walking along the list
        for name in modules:
            if not _users[name] and name in sys.modules:
                _aside[name] = sys.modules.pop(name)
        _users.update(modules)
    _refusal.names.update(modules)
    try:
        yield
    finally:
        _refusal.names.subtract(modules)
        with _lock:
            _users.subtract(modules)
            for name in modules:
                if not _users[name] and name in _aside:
                    sys.modules[name] = _aside.pop(name)


@contextmanager
def spared(library: str, *parts: str) -> Iterator[None]:
    """Meanwhile, parts that take long to load are hidden from the import of the library.

    Only in pleura's own process: another program may want these parts from the same library. Not
    where the library or a part is loaded already, since nothing is saved then.
    """
    with ExitStack() as stack:
        if _own_process and library not in sys.modules:
            stack.enter_context(hidden(*(name for name in parts if name not in sys.modules)))
        yield
