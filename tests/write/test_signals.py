"""Ctrl-C and SIGTERM wait for the end of a short block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from pleura.write.signals import signals_held


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_the_end() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals_held():
        with signals_held():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_are_left_alone() -> None:
    found = []

    def block() -> None:
        with signals_held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_an_error_in_the_block_comes_first() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError), signals_held():
        raise ValueError
    assert signal.getsignal(signal.SIGTERM) is before
