"""Two local Ray nodes: a node, an actor or the driver is killed in the middle (minutes)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arlbench.experiments.folder import read_rows
from arlbench.tuning import load

pytest.importorskip("ray")

pytestmark = [
    pytest.mark.stress,
    # Ray forks to start a node, in a process where earlier tests have read tables with JAX.
    pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning"),
]

#: Enough for each node.
_OBJECT_STORE = 100 * 2**20

SETTINGS = [
    "CartPole-v1", "--only-named", "--defaults", "learning_rate=1e-5..1e-2",
    "buffer_batch_size=16", "train_freq=4", "gradient_steps=1..2", "hidden_size=8",
    "buffer_size=2e3..2e4", "learning_starts=64", "--eval-episodes", "4", "--quiet",
    "--evaluations", "9",
]  # fmt: skip
#: Of the sweep: enough that it is not done before an actor that was killed has been replaced.
N_CONFIGS = 36
COMMANDS = {
    "hyperband": [
        "tune", *SETTINGS, "--tuner", "hyperband", "--n-trials", "22", "--seeds", "2",
        "--timesteps", "18000", "--test-seeds", "0",
    ],
    "asha": [
        "tune", *SETTINGS, "--tuner", "asha", "--n-trials", "16", "--seeds", "2",
        "--timesteps", "18000", "--test-seeds", "0",
    ],
    "sweep": [
        "sweep", *SETTINGS, "--n-configs", str(N_CONFIGS), "--seeds", "2", "--timesteps", "54000",
    ],
}  # fmt: skip


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two nodes with one core each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    settings = {"num_cpus": 1, "object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=settings)
    cluster.add_node(**settings)
    yield cluster
    cluster.shutdown()


def start(name: str, folder: Path, ray: str | None) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "arlbench", *COMMANDS[name], "--out", str(folder)]
    return subprocess.Popen([*words, *([f"--ray={ray}"] if ray else [])], env=os.environ)


def finish(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(timeout=600) == 0


def table(name: str, folder: Path) -> str:
    """All results, without times."""
    if name == "sweep":
        rows = read_rows(folder).drop_columns(["train_seconds"]).to_pylist()
    else:
        rows = load(folder).trials.drop(columns=["seconds"]).to_dict("records")
    return json.dumps(rows, default=str)


def n_told(folder: Path) -> int:
    """Results of a study in its journal, or complete parts of a sweep."""
    journal = folder / "journal.jsonl"
    if journal.exists():
        return len(results_in(journal))
    return len(list(folder.glob("parts/part-*.parquet")))


def results_in(journal: Path) -> list[int]:
    """The numbers of the trials whose results are in complete lines, in order."""
    lines = [line for line in journal.read_text().splitlines(keepends=True) if line[-1:] == "\n"]
    events = [json.loads(line) for line in lines]
    return [event["result"]["number"] for event in events if "result" in event]


def wait(until: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 400
    while not until():
        assert process is None or process.poll() is None, "it was done too early"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(parent: int, name: str = "") -> list[int]:
    """The processes of a parent whose command contains a name."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and name in command:
            found.append(int(stat.parent.name))
    return found


def actors(nodes: Any) -> list[int]:
    """The processes of actors on the nodes that are left."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes.list_all_nodes()]
    return [pid for raylet in raylets for pid in children(raylet, "ray::Trainer")]


def require_once(name: str, folder: Path) -> None:
    """Nothing was lost, and nothing was told twice."""
    if name == "sweep":
        rows = read_rows(folder).select(["config", "seed", "evaluation"]).to_pylist()
        assert len({tuple(row.values()) for row in rows}) == len(rows) == N_CONFIGS * 2 * 9
        return
    told = results_in(folder / "journal.jsonl")
    assert sorted(told) == list(range(len(told)))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_node_is_killed(tmp_path: Path, nodes: Any, name: str) -> None:
    process = start(name, tmp_path / "on-ray", nodes.address)
    wait(lambda: n_told(tmp_path / "on-ray") > 0 and len(actors(nodes)) == 2, process)
    nodes.remove_node(nodes.list_all_nodes()[-1], allow_graceful=False)
    finish(process)
    require_once(name, tmp_path / "on-ray")
    if name != "asha":
        finish(start(name, tmp_path / "without", None))
        assert table(name, tmp_path / "on-ray") == table(name, tmp_path / "without")


@pytest.mark.parametrize("name", ["hyperband", "sweep"])
def test_an_actor_and_then_the_driver_are_killed(tmp_path: Path, nodes: Any, name: str) -> None:
    folder = tmp_path / "on-ray"
    process = start(name, folder, nodes.address)
    wait(lambda: n_told(folder) > 0 and len(actors(nodes)) == 2, process)
    os.kill(actors(nodes)[0], signal.SIGKILL)
    before = n_told(folder)
    wait(lambda: n_told(folder) > before, process)
    told = n_told(folder)
    process.kill()
    process.wait()
    # Its actors end with it.
    wait(lambda: not actors(nodes))
    assert n_told(folder) >= told
    finish(start(name, folder, nodes.address))
    require_once(name, folder)
    finish(start(name, tmp_path / "without", None))
    assert table(name, folder) == table(name, tmp_path / "without")


def test_ray_on_this_machine_ends_with_the_driver(tmp_path: Path) -> None:
    process = start("sweep", tmp_path / "sweep", "local")
    wait(lambda: n_told(tmp_path / "sweep") > 0, process)
    of_driver = children(process.pid)
    of_raylet = [pid for raylet in of_driver for pid in children(raylet)]
    assert len(of_raylet) >= 2
    process.kill()
    process.wait()
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in [*of_driver, *of_raylet]))
