"""The place in the user's code at which an error was raised."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from arlbench.core.checks import positive_whole
from arlbench.core.tracebacks import raised_at
from arlbench.errors import ConfigurationError


def place_of(call: Callable[[], object]) -> str:
    """The place at which a call raises an error."""
    with pytest.raises(Exception) as raised:  # noqa: PT011  (any error)
        call()
    return raised_at(raised.value)


def divide() -> float:
    return 1 / 0


def stack() -> np.ndarray:
    return np.stack([])


@pytest.mark.parametrize("function", [divide, stack])
def test_it_is_the_users_line_even_if_that_calls_a_library(
    function: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    line = function.__code__.co_firstlineno + 1
    assert place_of(function) == f" at test_tracebacks.py, line {line}"


def test_a_file_outside_the_working_directory_has_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("first = 1\nsecond = unknown\n")
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    whole = f" at {tmp_path / 'mine.py'}, line 2"
    assert place_of(lambda: runpy.run_path(str(tmp_path / "mine.py"))) == whole


def test_an_error_outside_the_users_code_has_no_place() -> None:
    assert raised_at(ValueError("never raised")) == ""
    with pytest.raises(ConfigurationError) as raised:
        positive_whole("n", 0)
    error = raised.value.with_traceback(raised.value.__traceback__.tb_next)  # type: ignore[union-attr]
    assert raised_at(error) == ""
