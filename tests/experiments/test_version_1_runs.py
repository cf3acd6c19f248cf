"""Runs that version 0.2 began are evaluated, played, resumed and continued, bit for bit.

``tests/fixtures/README.md`` describes them; ``expected`` has the results of that version.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core import checkpoints
from arlbench.experiments.agents import find_agents
from arlbench.experiments.run_files import RunFiles
from arlbench.experiments.run_folder import RunFolder
from in_process import arlbench
from version_1 import copy_of, expected, require_parameters, require_returns

RUNS = ("run_finished", "run_normalised")


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a run of version 1."""
    return copy_of(request.param, tmp_path)


def evaluated(capfd: pytest.CaptureFixture[str], path: Path, *words: str) -> dict[str, list[float]]:
    """Returns of each agent, as ``arlbench evaluate`` prints them."""
    capfd.readouterr()
    assert arlbench("evaluate", path, *words) == 0
    return {a["name"]: a["returns"] for a in json.loads(capfd.readouterr().out)["agents"]}


def require_parameters_of(folder: Path, sha256: dict[str, str]) -> None:
    """The returns of each seed equal those of version 1."""
    assert {path.stem for path in folder.glob("params-seed-*.npz")} == sha256.keys()
    for name, checksum in sha256.items():
        with np.load(folder / f"{name}.npz") as stored:
            require_parameters(unflattened(stored), checksum)


def unflattened(stored: Any) -> dict[str, Any]:
    """A tree from its leaves by path."""
    tree: dict[str, Any] = {}
    for path in stored.files:
        *branches, leaf = path.split("/")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = stored[path]
    return tree


def require_returns_of_each(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> None:
    assert ours.keys() == theirs.keys()
    for name, returns in theirs.items():
        require_returns(ours[name], returns)


def require_whole(folder: Path, came_to: Any) -> None:
    """Asserts that the run ended like one of version 1 that was never stopped."""
    lines = (folder / "evaluations.csv").read_text().splitlines()
    ours, theirs = (
        [line.rsplit(",", 1) for line in of] for of in (lines, came_to["evaluations_csv"])
    )
    assert [place for place, _ in ours] == [place for place, _ in theirs]
    returns = [{"all": [float(value) for _, value in of[1:]]} for of in (ours, theirs)]
    require_returns_of_each(*returns)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["timesteps"]) == (came_to["status"], came_to["timesteps"])
    final = [{k: [v] for k, v in of["final_return_by_seed"].items()} for of in (summary, came_to)]
    require_returns_of_each(*final)
    require_parameters_of(folder, came_to["sha256_of_params"])


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_its_agents_earn_what_they_earned(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = expected(run.name)
    require_parameters_of(run, told["sha256_of_params"])
    require_returns_of_each(evaluated(capfd, run, *told["evaluate"]), told["returns_of_run"])
    of_checkpoint = evaluated(capfd, run / "checkpoints", *told["evaluate"])
    require_returns_of_each(of_checkpoint, told["returns_of_checkpoint"])


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_a_finished_one_is_left_as_it_is(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert arlbench("train", "--resume", run) == 0
    assert "is finished; nothing is left to do" in capfd.readouterr().err
    after = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    after.pop("run.lock")
    assert after == before


@pytest.mark.thorough
def test_it_is_played(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = copy_of("run_finished", tmp_path)
    assert arlbench("play", run, "--max-steps", "3", "--json") == 0
    (episode,) = json.loads(capfd.readouterr().out)["episodes"]
    assert (episode["return"], episode["length"], episode["ended"]) == (3.0, 3, False)


@pytest.mark.thorough
def test_one_that_was_stopped_ends_by_the_old_rule_of_lengths(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # 2,000 steps were requested, and 2,016 are three intervals of 24 iterations of 28 steps.
    run = copy_of("run_interrupted", tmp_path)
    assert arlbench("train", "--resume", run) == 0
    assert "starts from its first step" not in capfd.readouterr().err
    require_whole(run, expected("run_interrupted"))
    # The chain of version 1 stays; the second seed continued from a copy of its last link.
    info = checkpoints.read_manifest(run / "checkpoints/seed-1/checkpoint-000001").info["info"]
    assert (info["timesteps"], info["total_timesteps"]) == (896, 2016)
    assert (run / "checkpoints" / "checkpoint-000001").is_dir()
    assert arlbench("train", "--resume", run) == 0
    assert "is finished" in capfd.readouterr().err


@pytest.mark.thorough
def test_one_is_stopped_again_and_its_seconds_add_up(tmp_path: Path) -> None:
    from arlbench.experiments.run import train_run

    run = copy_of("run_interrupted", tmp_path)
    with RunFolder(run) as folder:
        result = train_run(folder, on_progress=lambda _: True, on_notice=print)
    assert result.status == "interrupted"
    assert result.timesteps >= 2016 + 896
    # This includes what version 1 had counted until its checkpoint.
    elapsed = checkpoints.read_manifest(run / "checkpoints/checkpoint-000001").info["info"]
    assert result.seconds.training > elapsed["elapsed"]["training"] > 0
    assert arlbench("train", "--resume", run, "--quiet") == 0
    require_whole(run, expected("run_interrupted"))


@pytest.mark.thorough
def test_seeds_that_had_not_begun_are_trained_by_the_old_rule_too(tmp_path: Path) -> None:
    run = copy_of("run_interrupted", tmp_path)
    shutil.rmtree(run / "checkpoints")
    for name in ("params-seed-0.npz", "params-seed-1.npz", "evaluations.csv", "summary.json"):
        (run / name).unlink()
    assert arlbench("train", "--resume", run, "--quiet") == 0
    require_whole(run, expected("run_interrupted"))


def test_its_stopped_seed_is_the_checkpoint(tmp_path: Path) -> None:
    run = copy_of("run_interrupted", tmp_path)
    assert [agent.name for agent in find_agents(run).agents] == ["seed 0"]
    (of_seed,) = find_agents(run, run_seed=1).agents
    assert of_seed.origin == "checkpoint-000001, after 896 of 2,016 steps"
    settings = RunFiles(run).read_settings()
    assert settings.experiment.format_version == 1
    assert RunFiles(run).newest_checkpoint(settings, 0) is None


def test_a_damaged_checkpoint_is_named_and_nothing_is_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = copy_of("run_interrupted", tmp_path)
    (run / "checkpoints" / "checkpoint-000001" / "params.npz").write_bytes(b"PK")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert arlbench("train", "--resume", run) == 2
    assert "Nothing was changed; remove that checkpoint's folder" in capfd.readouterr().err
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    after.pop(run / "run.lock")
    assert after == before
