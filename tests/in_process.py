"""Runs the command line in the process of the test."""

from __future__ import annotations

import sys

import pytest

from arlbench.cli import main


def arlbench(*words: object) -> int:
    """Runs the command; returns its exit status."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["arlbench", *map(str, words)])
        with pytest.raises(SystemExit) as exit_info:
            main.run()
    return int(exit_info.value.code or 0)
