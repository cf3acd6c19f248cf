"""The benchmark of environments outside JAX: what its tables say, and what both sides do."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def host_speed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("host_speed")


def calls(*values: tuple[float, float]) -> Any:
    """A function that returns these speeds, one after another."""
    left = iter(values)
    return lambda: importlib.import_module("host_speed").Speed(*next(left))


def test_shares_of_the_librarys_own_loop_are_in_percent(host_speed) -> None:
    names = (host_speed.LIBRARY, host_speed.ADAPTER, host_speed.IDLE)
    # The second round is half as fast on the clock, for all of them.
    measured = [[(2000.0, 100.0), (1000.0, 100.0)], [(1800.0, 80.0), (900.0, 80.0)]]
    measured.append([(1000.0, 40.0), (500.0, 40.0)])
    variants = {name: calls(*two) for name, two in zip(names, measured, strict=True)}
    found = {"one": host_speed.in_turn(variants, 2), "two": {"skipped": "it is missing"}}
    one, two = host_speed.stepping_rows(found)
    assert one == ["one", "1,500", "1,350", "750", "90 % (80 %)", "50 % (40 %)"]
    assert two == ["two", "it is missing", "", "", "", ""]


def test_speeds_with_learning_have_their_range(host_speed) -> None:
    variants = {
        host_speed.SB3: calls((100.0, 50.0), (50.0, 50.0), (200.0, 50.0)),
        host_speed.OURS: calls((400.0, 150.0), (200.0, 150.0), (800.0, 150.0)),
    }
    measured = {**host_speed.in_turn(variants, 3), "updates": "as asked"}
    (row,) = host_speed.learning_rows({"one": measured})
    assert row == ["one", "as asked", "400 (200 to 800)", "100 (50 to 200)", "4.0", "3.0"]


def test_both_sides_make_as_many_updates_for_each_step(host_speed) -> None:
    pytest.importorskip("ale_py")
    (pong,) = (case for case in host_speed.LEARNING if case.name == "Pong-v5")
    # Two updates for one step of each of eight copies.
    assert host_speed.parts.updates_per_step(pong) == 2 / 8
    job = host_speed.parts.sb3_job(pong, 1.0)
    expected = {"gradient_steps": 2, "train_freq": 1, "hidden_size": 512}
    assert job["n_envs"] == 8
    assert {name: job["config"][name] for name in expected} == expected
