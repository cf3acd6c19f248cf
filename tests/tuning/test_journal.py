"""The journal: what is written is read again, whole lines only."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from arlbench.errors import StorageError
from arlbench.tuning.journal import Asked, Journal, Retrained, Told, events_in
from arlbench.tuning.trials import Result, Trial

TRIALS = (
    Trial({"learning_rate": 0.1 + 0.2, "train_freq": 4}, 100, number=0, info={"rung": 0}),
    Trial({"learning_rate": 1e-300}, 300, continues=0, network_of=1, number=1),
)
RETURNS = np.array([[1 / 3, np.nan], [2.0, -1e-17]])
EVENTS = [
    Asked(4, TRIALS),
    Result(TRIALS[1], "diverged", RETURNS, np.array([50, 300]), -math.inf, 7, 1.5, True),
    Told((1, 0), 2.5),
    Retrained(1, (100, 2**32 - 1), RETURNS),
]


def written(path: Path) -> Path:
    journal = Journal(path)
    for event in EVENTS:
        journal.append(event)
    journal.close()
    return path


def test_events_come_back_as_they_were(tmp_path) -> None:
    asked, result, told, tested = events_in(written(tmp_path / "journal"))
    assert asked == EVENTS[0]
    assert told == EVENTS[2]
    np.testing.assert_array_equal(result.returns, RETURNS)
    np.testing.assert_array_equal(tested.returns, RETURNS)
    assert result[:2] == EVENTS[1][:2]
    assert result[4:] == EVENTS[1][4:]
    assert tested[:2] == EVENTS[3][:2]
    assert result.timesteps.tolist() == [50, 300]


def test_an_infinite_return_is_read_as_one_that_was_not_reached(tmp_path) -> None:
    returns = np.array([[1.0, np.inf], [-np.inf, 2.0]])
    result = Result(TRIALS[0], "finished", returns, np.array([50, 100]), -math.inf, 7, 1.5)
    journal = Journal(tmp_path / "journal")
    for event in (EVENTS[0], result):
        journal.append(event)
    journal.close()
    _, found = events_in(tmp_path / "journal")
    np.testing.assert_array_equal(found.returns, [[1.0, np.nan], [np.nan, 2.0]])


def test_a_line_without_an_end_is_not_there_at_any_length(tmp_path) -> None:
    content = written(tmp_path / "journal").read_bytes()
    begins = [0, *(i + 1 for i, byte in enumerate(content) if byte == 10)]
    for cut in range(0, len(content), 7):
        torn = tmp_path / f"torn-{cut}"
        torn.write_bytes(content[:cut])
        n_whole = sum(begin <= cut for begin in begins) - 1
        assert len(list(events_in(torn))) == n_whole
        journal = Journal(torn)
        journal.append(Told((7,), 3.0))
        journal.close()
        assert list(events_in(torn))[n_whole:] == [Told((7,), 3.0)]


def test_a_damaged_line_is_named(tmp_path) -> None:
    path = written(tmp_path / "journal")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:-3], *lines[2:], ""]))
    with pytest.raises(StorageError, match="journal is damaged in line 2"):
        list(events_in(path))


def test_there_is_no_journal_yet(tmp_path) -> None:
    assert list(events_in(tmp_path / "journal")) == []
