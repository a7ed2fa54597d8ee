"""Hidden parts are hidden from one thread's imports, and nothing of it stays."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from pleura import imports
from pleura.imports import hidden, spared

PART, LIBRARY = "a_slow_part_of_tests", "a_library_of_tests"


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (PART, LIBRARY):
        (tmp_path / f"{name}.py").touch()
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)


def importable(name: str = PART) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name == name
        return False
    return True


def test_hidden_meanwhile_and_importable_afterwards() -> None:
    with hidden(PART):
        assert not importable()
        with hidden(PART):
            pass
        assert not importable()
    assert PART not in sys.modules and importable()


def test_what_was_loaded_is_hidden_too_and_comes_back() -> None:
    before = importlib.import_module(PART)
    with pytest.raises(ZeroDivisionError), hidden(PART):
        assert not importable()
        raise ZeroDivisionError
    assert sys.modules[PART] is before


def test_another_thread_imports_what_is_hidden_here() -> None:
    with ThreadPoolExecutor(1) as pool, hidden(PART):
        assert pool.submit(importable).result()


@pytest.mark.parametrize("loaded", [False, True])
def test_two_threads_that_hide_the_same(loaded: bool) -> None:
    before = importlib.import_module(PART) if loaded else None
    meet = Barrier(2, timeout=10)

    def hide(first: bool) -> bool:
        if not first:
            meet.wait()  # the other has begun
        with hidden(PART):
            if first:
                meet.wait()
            found = importable()
            meet.wait()  # both are within
            if not first:
                meet.wait()  # the other has ended
                found = found or importable()
        if first:
            meet.wait()
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(hide, (True, False))) == [False, False]
    assert sys.modules.get(PART) is before and importable()


def test_parts_are_spared_in_the_own_process_while_the_library_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imports, "_own_process", True)
    with spared(LIBRARY, PART):
        assert not importable()
    importlib.import_module(LIBRARY)
    with spared(LIBRARY, PART):
        assert importable()


def test_another_program_is_spared_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_own_process", False)
    with spared(LIBRARY, PART):
        assert importable()


def test_a_part_that_is_loaded_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_own_process", True)
    before = importlib.import_module(PART)
    with spared(LIBRARY, PART):
        assert sys.modules[PART] is before
