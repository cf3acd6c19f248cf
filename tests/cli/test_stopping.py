"""Work that a signal stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import typer

from arlbench.cli import stopping
from arlbench.cli.stopping import StoppableWork

GRACE = 0.1


@pytest.fixture(autouse=True)
def _short_grace_and_own_signals(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", GRACE)
    handlers = {sent: signal.getsignal(sent) for sent in (signal.SIGINT, signal.SIGTERM)}
    yield
    for sent, handler in handlers.items():
        signal.signal(sent, handler)


def send(*after: float, sent: signal.Signals = signal.SIGINT) -> None:
    """Sends this process a signal after each of these numbers of seconds from now."""
    for seconds in after:
        threading.Timer(seconds, os.kill, (os.getpid(), sent)).start()


def _unexpected() -> None:
    raise AssertionError


class Work:
    """Trains for a moment, and then evaluates until it is told that the evaluation has ended."""

    def __init__(self, on_wait: Callable[[], None] | None, begins: bool = True) -> None:
        self.evaluated = threading.Event()
        self.begins = begins
        self.work = StoppableWork(self._train, on_wait)

    def _train(self) -> str:
        if self.begins:
            assert not self.work.wants_to_stop()
        self.evaluated.wait(20)
        return "saved" if self.work.wants_to_stop() else "finished"


def test_an_evaluation_that_takes_long_is_finished_and_saved() -> None:
    waits: list[float] = []

    def on_wait() -> None:
        waits.append(time.monotonic())
        trained.evaluated.set()

    trained = Work(on_wait)
    trained.work.start()
    sent_at = time.monotonic()
    send(0)
    assert trained.work.finish() == "saved"
    assert len(waits) == 1
    assert waits[0] - sent_at >= GRACE
    with pytest.raises(typer.Exit) as left:
        trained.work.leave(at_once=False)
    assert left.value.exit_code == 128 + signal.SIGINT


def test_a_second_signal_ends_the_wait() -> None:
    trained = Work(on_wait=lambda: send(0))
    trained.work.start()
    send(0)
    assert trained.work.finish() is None
    trained.evaluated.set()


def test_two_signals_close_together_are_one_request() -> None:
    trained = Work(on_wait=lambda: threading.Timer(0.2, trained.evaluated.set).start())
    trained.work.start()
    send(0, GRACE / 4)
    assert trained.work.finish() == "saved"


@pytest.mark.parametrize(("on_wait", "begins"), [(None, True), (_unexpected, False)])
def test_work_without_progress_to_save_is_not_waited_for(on_wait, begins) -> None:
    trained = Work(on_wait, begins)
    trained.work.start()
    send(0)
    assert trained.work.finish() is None
    trained.evaluated.set()


def test_a_second_signal_ends_the_saving_of_what_has_ended() -> None:
    release = threading.Event()

    def save() -> None:
        while not work.wants_to_stop():
            time.sleep(0.01)
        release.wait(20)

    work: StoppableWork[None] = StoppableWork(save)
    work.start()
    send(0, GRACE * 3)
    begin = time.monotonic()
    assert work.finish() is None
    assert time.monotonic() - begin < 10
    release.set()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_signals_have_their_former_meaning_when_the_work_has_finished(sent) -> None:
    received: list[int] = []
    signal.signal(sent, lambda number, _: received.append(number))
    work = StoppableWork(lambda: "done")
    work.start()
    assert signal.getsignal(sent) == work._ask_to_stop
    assert work.finish() == "done"
    os.kill(os.getpid(), sent)
    assert received == [sent]


def test_they_also_have_it_if_the_work_fails() -> None:
    before = signal.getsignal(signal.SIGINT)
    work = StoppableWork(lambda: 1 / 0)
    work.start()
    with pytest.raises(ZeroDivisionError):
        work.finish()
    assert signal.getsignal(signal.SIGINT) == before


LEAVES = """
from arlbench.cli.stopping import StoppableWork
print("kept")
StoppableWork(lambda: None).leave(at_once=True)
"""


def test_what_was_printed_is_written_even_if_the_work_does_not_stop() -> None:
    ended = subprocess.run([sys.executable, "-c", LEAVES], check=False, capture_output=True)
    assert (ended.returncode, ended.stdout.strip()) == (128, b"kept")
