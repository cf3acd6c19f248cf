"""Child processes that run a Python module and answer messages."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from arlbench import runtime


class ChildProcess:
    """A process and the connection to it. It is started as a program, not forked.

    Args:
        program: Arguments of Python, such as ``["-m", MODULE]``. The file descriptor of the child's
            end of the connection is appended to them.
    """

    def __init__(self, program: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                # It imports from the same folders as this process.
                [sys.executable, "-P", *program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={
                    **os.environ,
                    **runtime.variables_of_children(),
                    "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
                    "JAX_PLATFORMS": "cpu",
                },
                stdin=subprocess.DEVNULL,
                # Ctrl-C should only reach this process, which then tells its children.
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            OSError: If the process has ended.
        """
        self._connection.send(message)

    def has_message(self, seconds: float) -> bool:
        """Waits at most this long; returns whether the process has sent something or ended."""
        return self._connection.poll(seconds)

    def receive(self) -> Any:
        """Waits for a message.

        Raises:
            EOFError: If the process has ended.
        """
        try:
            return self._connection.recv()
        except OSError as error:
            raise EOFError from error

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None if it still runs after a second."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=1.0)
        return None

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.terminate()
        self._process.wait()
