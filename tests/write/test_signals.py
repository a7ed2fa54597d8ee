"""Ctrl-C and SIGTERM wait for the end of a short block."""

from __future__ import annotations

import signal
import threading

import pytest

from pleura.write.signals import signals_held


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
