"""A worker process: ``python -m arlbench.population.worker FILE_DESCRIPTOR``.

It receives tasks and sends what comes of them. It ends when the connection does.
"""

from __future__ import annotations

import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from arlbench.population.mapped import train_member
from arlbench.population.messages import Failed, Ready, Steps, Stop


def serve(connection: Connection) -> None:
    """Trains one member after another, until the connection ends."""

    def on_steps(timesteps: int) -> bool:
        connection.send(Steps(timesteps))
        # Any message stops it: a task only comes to a worker that is idle.
        return connection.poll()

    connection.send(Ready())
    while True:
        message = connection.recv()
        if isinstance(message, Stop):
            continue
        setup, task = message
        setup.apply()
        connection.send(_outcome(lambda task=task: train_member(task, on_steps, "backwards")))


def _outcome(train: Any) -> Any:
    try:
        return train()
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        return Failed(type(error).__name__, str(error), traceback.format_exc())


def main() -> None:
    """Serves the connection that the command line names."""
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, ConnectionError):
        # Whoever started this process has ended.
        sys.exit(0)


if __name__ == "__main__":
    main()
