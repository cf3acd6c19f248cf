"""The command in terminals and pipes of every kind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from in_process import arlbench

COMMANDS = ("train", "sweep", "evaluate", "play", "envs")

# Escape sequences for colours and movements of the cursor.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs ``python -m arlbench`` with its output in pipes."""
    command = [sys.executable, "-m", "arlbench", *words]
    env = {**os.environ, **environment}
    return subprocess.run(command, check=False, capture_output=True, env=env, timeout=120)


def shown(*words: str, width: int = 80) -> str:
    """The output of the command in a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "arlbench", *words],
        stdin=slave, stdout=slave, stderr=slave, env={**env, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    content = b""
    while chunk := _read(master):
        content += chunk
    os.close(master)
    assert process.wait(timeout=60) == 0, content
    return _ESCAPES.sub("", content.decode()).replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'? 'arlbench COMMAND --help'"),
        (["sweep", "--samplr=a"], "No such option: --samplr (Possible options: --sampler). "),
        # Nothing is similar.
        (["sweep", "--zzz=a"], "No such option: --zzz. 'arlbench COMMAND --help' lists"),
    ],
)
def test_a_mistyped_word_is_corrected_only_if_one_is_similar(words, said, capsys) -> None:
    assert arlbench(*words) == 2
    assert said in capsys.readouterr().err


def test_the_package_runs_as_a_module() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert re.fullmatch(rb"\d+\.\d+\.\d+\S*\s*", done.stdout)
    mistaken = run("envs", "zzz")
    assert mistaken.returncode == 2
    assert mistaken.stderr.startswith(b"error: No environment has 'zzz'")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}],
    ids=["ascii", "C"],
)
@pytest.mark.parametrize("words", [(), *((command,) for command in COMMANDS)], ids=str)
def test_help_works_in_every_encoding(words, environment) -> None:
    done = run(*words, "--help", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    text = done.stdout.decode(encoding)
    assert "Usage:" in text
    assert "?" not in text


def test_a_column_of_piped_environments_is_their_names() -> None:
    done = run("envs", "minatar")
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert {len(row) for row in rows} == {7}
    assert "Breakout-MinAtar" in {row[0] for row in rows}
    assert b"\x1b" not in done.stdout


def test_a_terminal_of_80_columns_shows_whole_names() -> None:
    text = shown("envs", "navix-dynamic")
    header, *lines = text.strip().splitlines()
    assert header.split() == ["environment", "framework", "actions", "limit", "observation"]
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("Navix-Dynamic-Obstacles-6x6-Random-v0  navix") for line in lines)
