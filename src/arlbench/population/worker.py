"""A worker process: ``python -m arlbench.population.worker FILE_DESCRIPTOR``.

It receives tasks and sends their results. It ends when the connection ends.
"""

from __future__ import annotations

import sys
import warnings
from multiprocessing.connection import Connection

from arlbench.population.members import MemberProgress, MemberTask
from arlbench.population.messages import Answer, Failed, Notice, Ready, Setup, Stop
from arlbench.population.sequential import Listener, train_member


def serve(connection: Connection) -> None:
    """Trains one member after another, until the connection ends."""

    def on_progress(progress: MemberProgress) -> bool:
        connection.send(progress)
        # Any message stops the member, because only an idle worker receives a task.
        return connection.poll()

    listener = Listener(on_progress, lambda sentence: connection.send(Notice(sentence)))
    connection.send(Ready())
    while True:
        message = connection.recv()
        if isinstance(message, Stop):
            continue
        setup, task = message
        connection.send(answer(setup, task, listener))


def answer(setup: Setup, task: MemberTask, listener: Listener) -> Answer:
    """Trains a member with the settings of the process that sent it; the result, or its error."""
    try:
        setup.apply()
        return train_member(task, listener, "backwards")
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        return Failed.of(error)


def ignore_known_warnings() -> None:
    """The process that sends members has made the same environments and has already warned."""
    warnings.filterwarnings("ignore", message=".* began two different episodes from one seed")


def main() -> None:
    """Serves the connection that the command line names."""
    ignore_known_warnings()
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, ConnectionError):
        # The process that started this one has ended.
        sys.exit(0)


if __name__ == "__main__":
    main()
