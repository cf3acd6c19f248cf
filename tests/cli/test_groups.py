"""The help shows the options of commands that have many of them in groups."""

from __future__ import annotations

import itertools

import pytest
import typer

from arlbench.cli import main
from arlbench.cli.groups import GROUPS
from in_process import arlbench

COMMANDS = typer.main.get_command(main.app).commands  # type: ignore[attr-defined]


def test_every_option_is_in_one_group() -> None:
    grouped = list(itertools.chain.from_iterable(GROUPS.values()))
    assert len(set(grouped)) == len(grouped)
    options = {
        parameter.name
        for name in ("train", "sweep", "tune")
        for parameter in COMMANDS[name].params
        if parameter.param_type_name == "option"
    }
    assert options == set(grouped)


@pytest.mark.parametrize("command", ["train", "sweep", "tune"])
def test_all_commands_have_the_same_groups_in_the_same_order(command, capsys) -> None:
    assert arlbench(command, "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line.strip("╭╮─ ") for line in lines if line.startswith("╭")]
    used = [group for group in GROUPS if command != "train" or group != "Search"]
    assert titles == ["Arguments", "Options", *used]
