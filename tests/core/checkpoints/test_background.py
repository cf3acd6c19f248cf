"""One job after another, and an error that is raised once."""

from __future__ import annotations

import threading

import pytest

from arlbench.core.checkpoints.background import BackgroundWriter

TIMEOUT = 60


def test_a_job_runs_beside_its_caller() -> None:
    writer, may_end, ended = BackgroundWriter(), threading.Event(), threading.Event()

    def job() -> None:
        assert may_end.wait(TIMEOUT)
        ended.set()

    assert not writer.busy
    writer.submit(job)
    assert writer.busy
    assert not ended.is_set()
    writer.raise_if_failed()  # does not wait
    may_end.set()
    writer.wait()
    assert ended.is_set()
    assert not writer.busy


def test_a_job_waits_for_the_one_before() -> None:
    writer, order = BackgroundWriter(), []
    may_end = threading.Event()

    def first() -> None:
        assert may_end.wait(TIMEOUT)
        order.append("first")

    writer.submit(first)
    threading.Timer(0.05, may_end.set).start()
    writer.submit(lambda: order.append("second"))
    # Submitting waited for the first job, so it has ended; the second may still run.
    assert order[0] == "first"
    writer.wait()
    assert order == ["first", "second"]


def test_an_error_is_raised_once_wherever_it_is_asked_for_first() -> None:
    def fail() -> None:
        raise OSError("full")

    for ask in (
        BackgroundWriter.wait,
        lambda writer: writer.submit(lambda: None),
        raise_when_ended,
    ):
        writer = BackgroundWriter()
        writer.submit(fail)
        with pytest.raises(OSError, match="full"):
            ask(writer)
        writer.wait()


def raise_when_ended(writer: BackgroundWriter) -> None:
    ended = threading.Event()
    while writer.busy:
        ended.wait(0.001)
    writer.raise_if_failed()
