"""Writing beside the training, one thing after another."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable


class BackgroundWriter:
    """Runs jobs in one thread, at most one of them waiting for its end."""

    def __init__(self) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(1, "arlbench-writer")
        self._job: concurrent.futures.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is still running."""
        return self._job is not None and not self._job.done()

    def submit(self, job: Callable[[], None]) -> None:
        """Starts a job, after the one before.

        Raises:
            Exception: What the job before raised.
        """
        self.wait()
        self._job = self._executor.submit(job)

    def wait(self) -> None:
        """Waits for the job that is running.

        Raises:
            Exception: What it raised; once.
        """
        job, self._job = self._job, None
        if job is not None:
            job.result()

    def raise_if_failed(self) -> None:
        """Raises what a job raised that has ended; returns at once in any case."""
        if not self.busy:
            self.wait()
