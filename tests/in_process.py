"""Runs the command line in the process of the test."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from arlbench.cli import main


def named(words: Sequence[object]) -> list[object]:
    """Words of a command, which begin with an environment if they do not name one."""
    first = str(words[0]) if words else "--"
    others = {"--resume", "--replay", "--preset"}
    has_one = not (first.startswith("-") or "=" in first) or others.intersection(map(str, words))
    return [*words] if has_one else ["CartPole-v1", *words]


def arlbench(*words: object) -> int:
    """Runs the command; returns its exit status."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["arlbench", *map(str, words)])
        with pytest.raises(SystemExit) as exit_info:
            main.run()
    return int(exit_info.value.code or 0)
