"""Programs are compiled in advance where several processes can share them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import pytest

from arlbench.population import warming
from arlbench.population.warming import warm


def rehearsing(compiled: list[str]) -> Any:
    """An algorithm with two programs, which it would compile."""
    programs = {name: lambda name=name: compiled.append(name) for name in ("first", "last")}
    return SimpleNamespace(structure=object(), rehearsals=lambda *_: programs)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(warming, "jax", SimpleNamespace(config=SimpleNamespace()))
    warming.jax.config.jax_compilation_cache_dir = str(tmp_path / "cache")


@pytest.mark.parametrize("backwards", [False, True])
def test_each_program_is_compiled_once_from_either_end(backwards: bool) -> None:
    compiled: list[str] = []
    algorithm = rehearsing(compiled)
    for _ in range(2):
        warm(algorithm, {}, 5, backwards)
    assert compiled == (["last", "first"] if backwards else ["first", "last"])


@pytest.mark.parametrize("error", [PermissionError("read-only"), NotImplementedError("no locks")])
def test_where_nothing_can_be_shared_nothing_is_compiled_in_advance(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "_acquire", fail)
    compiled: list[str] = []
    warm(rehearsing(compiled), {}, 5, backwards=False)
    assert compiled == []
