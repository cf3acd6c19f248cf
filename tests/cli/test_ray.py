"""``--ray``: what counts as its address, and one sentence if Ray cannot be used."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest

from arlbench.cli.arguments import with_ray_address
from in_process import arlbench

COMMANDS = [["train"], ["sweep"], ["tune"]]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["tune", "--ray"], ["tune", "--ray=default"]),
        (["tune", "--ray", "CartPole-v1"], ["tune", "--ray=default", "CartPole-v1"]),
        (["tune", "--ray", "gamma=0.9"], ["tune", "--ray=default", "gamma=0.9"]),
        (["train", "--ray", "mine:Env"], ["train", "--ray=default", "mine:Env"]),
        (["tune", "--ray", "--quiet"], ["tune", "--ray=default", "--quiet"]),
        (["tune", "--ray", "auto"], ["tune", "--ray", "auto"]),
        (["tune", "--ray", "10.0.0.1:6379"], ["tune", "--ray", "10.0.0.1:6379"]),
        (["tune", "--ray", "ray://head:10001"], ["tune", "--ray", "ray://head:10001"]),
        (["tune", "--ray=head:1", "x"], ["tune", "--ray=head:1", "x"]),
        (["envs"], ["envs"]),
    ],
)
def test_only_addresses_are_taken_for_one(given: list[str], read: list[str]) -> None:
    assert with_ray_address(given) == read


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_extra_is_one_sentence(command, monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert arlbench(*command, "CartPole-v1", "--ray") == 2
    assert "pip install 'arlbench[ray]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_without_a_listener_is_refused_at_once(scheme, capsys, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    begin = time.monotonic()
    assert arlbench("tune", "CartPole-v1", f"--ray={scheme}127.0.0.1:{free_port()}") == 2
    assert time.monotonic() - begin < 20
    error = capsys.readouterr().err
    assert "cannot be used (Connection refused)" in error
    assert error.count("\n") == 1


def test_an_impossible_address_is_refused(capsys, tmp_path, monkeypatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    assert arlbench("tune", "CartPole-v1", "--ray=nowhere") == 2
    assert "HOST:PORT or ray://HOST:PORT, not 'nowhere'" in capsys.readouterr().err
