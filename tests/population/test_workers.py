"""Worker processes: how many are started, and that they end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from arlbench.errors import ArlbenchError
from arlbench.population import workers


@pytest.mark.parametrize(
    ("content", "cores"),
    [("200000 100000", 2), ("350000 100000\n", 3), ("max 100000", sys.maxsize), ("", sys.maxsize)],
)
def test_a_containers_quota_counts_in_whole_cores(content, cores, tmp_path):
    (tmp_path / "cpu.max").write_text(content)
    assert workers._quota(tmp_path / "cpu.max") == cores


def test_a_container_with_less_than_a_core_has_one(monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000")
    monkeypatch.setattr(workers, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("ARLBENCH_CORES", raising=False)
    assert workers.available_cores() == 1


def test_the_environment_may_say_how_many_cores(monkeypatch):
    monkeypatch.setenv("ARLBENCH_CORES", "7")
    assert workers.available_cores() == 7
    for wrong in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("ARLBENCH_CORES", wrong)
        with pytest.raises(ArlbenchError, match="ARLBENCH_CORES"):
            workers.available_cores()


def test_the_number_of_cores_is_a_whole_number(monkeypatch):
    monkeypatch.setattr(workers, "start_workers", lambda n: [])
    try:
        for four in (4, 4.0, np.int64(4)):
            assert workers.use_cores(four) == workers.wanted_cores() == 4
        for wrong in (True, 0, -1, 1.5, "2"):
            with pytest.raises(ArlbenchError, match="number of cores must be a positive whole"):
                workers.use_cores(wrong)
        assert workers.wanted_cores() == 4
    finally:
        workers._pool.wanted_cores = None


def test_workers_stay_and_end_when_there_are_too_many():
    three = workers.start_workers(3)
    assert [worker.alive for worker in three] == [True] * 3
    assert workers.start_workers(2) == three[:2]
    assert not three[2].alive
    assert workers.start_workers(0) == []
    assert not any(worker.alive for worker in three)


def test_a_worker_ends_with_the_process_that_started_it():
    program = (
        "import os; from arlbench.population import workers;"
        "print(workers.start_workers(1)[0]._process.pid, flush=True); os._exit(9)"
    )
    started = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    worker = int(started.stdout)
    deadline = time.monotonic() + 60
    while _exists(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _exists(worker)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A process that has ended, but that no process has waited for, still exists by name.
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_nobody_waits_for_a_worker_once_training_should_stop():
    stop = threading.Event()
    [worker] = workers.start_workers(1)
    try:
        assert worker.wait_until_ready(stop)
        begin = time.monotonic()
        threading.Timer(0.3, stop.set).start()
        # It sends nothing until it gets a member.
        assert not worker.wait_for_message(stop)
        assert 0.2 < time.monotonic() - begin < 5
        assert worker.wait_until_ready(stop)
    finally:
        workers.start_workers(0)


def test_a_worker_that_ends_is_not_waited_for():
    [worker] = workers.start_workers(1)
    try:
        assert worker.wait_until_ready()
        worker._process.kill()
        assert worker.wait_for_message(threading.Event())
        with pytest.raises(EOFError):
            worker.receive()
    finally:
        workers.start_workers(0)
