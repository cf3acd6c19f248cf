"""Speeds are measured once, and again if their file cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from arlbench import runtime
from arlbench.population import kept_speeds
from arlbench.population.kept_speeds import file_of, speeds_of, this_machine
from arlbench.population.speeds import Speeds

SPEEDS = Speeds(1e-4, 1e-6, 5e-5, 18_440.0)
MACHINE = {"device": "A card", "cpu": "A processor", "jax": "0.11.2"}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(kept_speeds, "_known", {})
    return tmp_path


class Measured:
    """Counts how often something is measured."""

    def __init__(self, speeds: Speeds | None = SPEEDS) -> None:
        self.count = 0
        self._speeds = speeds

    def __call__(self) -> Speeds | None:
        self.count += 1
        return self._speeds


def in_another_process(measure: Callable[[], Speeds | None]) -> Speeds | None:
    kept_speeds._known.clear()
    return speeds_of(MACHINE, measure)


def test_they_are_measured_once() -> None:
    measure = Measured()
    assert [speeds_of(MACHINE, measure) for _ in range(2)] == [SPEEDS] * 2
    assert in_another_process(measure) == SPEEDS
    assert measure.count == 1


def test_within_a_process_the_file_is_read_once() -> None:
    speeds_of(MACHINE, Measured())
    file_of(MACHINE).unlink()
    assert speeds_of(MACHINE, Measured(None)) == SPEEDS


def test_each_machine_has_its_own() -> None:
    measure = Measured()
    for name, value in (("device", "Another"), ("cpu", "Another"), ("jax", "0.12.0")):
        speeds_of({**MACHINE, name: value}, measure)
    speeds_of(MACHINE, measure)
    assert measure.count == 4


def damage(content: dict) -> None:
    del content["speeds"]["core"]


def invalidate(content: dict) -> None:
    content["speeds"]["core"] = -1.0


def spoil(content: dict) -> None:
    content["speeds"]["core"] = "fast"


def rename(content: dict) -> None:
    content["machine"]["device"] = "Another"


def overflow(content: dict) -> None:
    content["speeds"]["core"] = 10**400


def flatten(content: dict) -> None:
    content["speeds"] = [1.0, 2.0]


def extend(content: dict) -> None:
    content["speeds"]["newer"] = 1.0


@pytest.mark.parametrize("change", [damage, invalidate, spoil, rename, overflow, flatten, extend])
def test_a_file_that_cannot_be_used_is_written_again(change: Callable[[dict], None]) -> None:
    speeds_of(MACHINE, Measured())
    content = json.loads(file_of(MACHINE).read_text())
    change(content)
    file_of(MACHINE).write_text(json.dumps(content))
    again = Measured()
    assert in_another_process(again) == SPEEDS
    assert again.count == 1
    assert json.loads(file_of(MACHINE).read_text())["speeds"] == SPEEDS._asdict()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "\0", "[" * 100_000])
def test_a_damaged_file_is_written_again(text: str) -> None:
    speeds_of(MACHINE, Measured())
    file_of(MACHINE).write_text(text)
    again = Measured()
    assert in_another_process(again) == SPEEDS
    assert in_another_process(again) == SPEEDS
    assert again.count == 1


def test_a_failure_is_remembered_but_not_kept() -> None:
    fails = Measured(None)
    assert [speeds_of(MACHINE, fails) for _ in range(2)] == [None] * 2
    assert fails.count == 1
    assert in_another_process(Measured()) == SPEEDS


def test_a_folder_that_cannot_be_written_does_not_matter(folder: Path) -> None:
    (folder / "arlbench").write_text("A file in the place of the folder.")
    measure = Measured()
    assert [speeds_of(MACHINE, measure) for _ in range(2)] == [SPEEDS] * 2
    assert measure.count == 1


def test_without_a_folder_they_are_measured_in_each_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "cache_folder", lambda: None)
    measure = Measured()
    assert [speeds_of(MACHINE, measure) for _ in range(2)] == [SPEEDS] * 2
    assert in_another_process(measure) == SPEEDS
    assert measure.count == 2


def test_a_machine_is_described_by_its_devices_and_versions() -> None:
    machine = this_machine()
    assert machine.keys() >= {"device", "cpu", "jax", "arlbench"}
    assert all(machine.values())
