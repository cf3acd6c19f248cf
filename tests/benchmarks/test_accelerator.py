"""The benchmark of accelerators: its counts are right, and every part runs."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.experiments.samplers.file import File

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the scripts, which are not a package."""
    for folder in (BENCHMARKS / "landscape", BENCHMARKS):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module


def run_script(folder: Path, *words: str) -> tuple[list[dict[str, Any]], str]:
    """The rows that the whole script writes, and what it prints."""
    written = folder / "rows.json"
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "accelerator.py"), f"--write={written}", *words],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(written.read_text())["rows"], done.stdout


def test_a_profile_is_counted_as_one_counts_it_by_hand(script):
    # Two streams and one iteration: busy from 0 to 3 and from 5 to 10 of 10 microseconds.
    text = """
    planes { name: "/device:GPU:0"
      event_metadata { key: 1 value { id: 1 name: "gemm" } }
      event_metadata { key: 2 value { id: 2 name: "MemcpyD2H" } }
      lines { name: "Stream #1(Compute)"
        events { metadata_id: 1 offset_ps: 0 duration_ps: 2000000 }
        events { metadata_id: 1 offset_ps: 5000000 duration_ps: 5000000 } }
      lines { name: "Stream #2(MemcpyD2H)"
        events { metadata_id: 2 offset_ps: 1000000 duration_ps: 2000000 } }
      lines { name: "XLA Ops" events { metadata_id: 1 offset_ps: 0 duration_ps: 9000000 } } }
    planes { name: "/host:CPU" lines { name: "Stream of the host"
        events { metadata_id: 1 offset_ps: 0 duration_ps: 9000000 } } }
    """
    from jax.profiler import ProfileData

    counting = script("accelerator_profile")
    data = ProfileData.from_serialized_xspace(ProfileData.text_proto_to_serialized_xspace(text))
    counts = counting.counts(counting.events(data), n_iterations=1)
    assert counts == {
        "kernels_and_copies": 3,
        "copies_to_host": 1,
        "busy_share": pytest.approx(0.8),
        "microseconds": pytest.approx(10),
    }


def test_rows_that_belong_together_are_one_line_and_calls_are_compared_with_training(script):
    accelerator = script("accelerator")
    table, uniform = accelerator.Table(), accelerator.Run("uniform", "tf32")
    table.add(uniform, {"device": "a card"})
    table.add(uniform, {"members": 64, "steps_per_second": 8e6})
    table.add(uniform, {"members": 64, "profile": {"copies_to_host": 0.25}})
    calls = accelerator.Run("end-to-end", "tf32")
    whole = table.add(calls, {"call": "first", "members": 64, "steps_per_second": 6e6})
    other = table.add(calls, {"call": "first", "members": 32, "steps_per_second": 6e6})
    table.add(calls, {"done": 0.426, "seconds": 8.0})
    table.add(calls, {"error": "stopped after 9 s"})
    assert whole["share_of_training"] == 0.75
    assert "share_of_training" not in other
    lines = table.markdown().splitlines()[2:]
    assert table.device == "a card"
    assert len(lines) == 4
    assert "8.00" in lines[0]
    assert "0.25" in lines[0]
    assert lines[1].startswith("| end-to-end, first call | 64 | tf32 | 6.00 | 75% |")
    assert lines[3].endswith("| 43% done; stopped after 9 s |")


def test_with_both_precisions_only_the_first_part_runs_twice(script):
    runs = script("accelerator").runs(["uniform", "landscape"], "both")
    assert runs == [("uniform", "float32"), ("uniform", "tf32"), ("landscape", "float32")]
    assert script("accelerator").runs(["landscape"], "tf32") == [("landscape", "tf32")]


def test_every_part_has_a_limit_and_they_are_in_the_same_order(script):
    assert list(script("accelerator").LIMITS) == [*script("accelerator_parts").PARTS, "rejax"]


def test_rejax_gets_the_same_task(script):
    rejax, parts = script("accelerator_rejax"), script("accelerator_parts")
    assert {
        "num_envs": parts.N_ENVS,
        "fill_buffer": parts.CONFIG["learning_starts"],
        "buffer_size": parts.CONFIG["buffer_size"],
        "batch_size": parts.CONFIG["buffer_batch_size"],
        "num_epochs": parts.CONFIG["gradient_steps"],
        "ddqn": False,
    } == rejax.SETTINGS
    assert (parts.Scale().many, parts.Scale().few) == rejax.SIZES


def test_published_configurations_are_those_that_a_sweep_over_the_file_trains(script):
    published, words = script("published"), script("compare").SETTINGS
    problem = Problem(EnvSpec("gymnax", "CartPole-v1", n_envs=8))
    fixed = dict(word.split("=") for word in words)
    sampler = File(problem, fixed, file=published.PUBLISHED)
    swept = [problem.resolve(trial.config) for trial in sampler.ask(sampler.n_trials)]
    rows = published.read_published()
    assert len(rows.configs) == 256
    assert [problem.resolve({**published.FIXED, **row}) for row in rows.configs] == swept
    assert (rows.returns[0], rows.stds[0]) == (191.470314, 42.352889)


def test_a_part_that_fails_or_hangs_is_a_row_and_the_others_run(script, tmp_path):
    accelerator = script("accelerator")
    failing, hanging = tmp_path / "failing.py", tmp_path / "hanging.py"
    begin = "print('{\"members\": 3}', flush=True)\n"
    failing.write_text(begin + "raise SystemExit('the card is full')")
    hanging.write_text(begin + "import time; time.sleep(60)")
    run = accelerator.Run("uniform", "float32")
    for part, error in ((failing, "the card is full"), (hanging, "stopped after 1 s")):
        program = [sys.executable, str(part)]
        rows = list(accelerator.rows_of(run, program, [], limit=30 if part is failing else 1))
        assert rows == [{"members": 3}, {"error": error}]


def test_without_time_nothing_is_begun(tmp_path):
    rows, _ = run_script(tmp_path, "--only=uniform,rejax", "--seconds=0")
    assert [(row["part"], row["skipped"]) for row in rows] == [
        ("uniform", "out of time"),
        ("rejax", "out of time"),
    ]


def test_without_its_python_rejax_is_left_out(tmp_path):
    rows, _ = run_script(tmp_path, "--only=rejax")
    assert [row["skipped"] for row in rows] == ["--rejax-python is not set"]


@pytest.mark.thorough
def test_a_part_runs_on_a_cpu_too(tmp_path):
    rows, _ = run_script(tmp_path, "--quick", "--as-accelerator", "--only=uniform")
    assert not any("error" in row for row in rows)
    assert [row["members"] for row in rows if "steps_per_second" in row] == [4, 2, 3]


@pytest.mark.stress
def test_every_part_runs_on_a_cpu_too(script, tmp_path):
    rows, printed = run_script(tmp_path, "--quick", "--as-accelerator", "--seconds=600")
    parts = script("accelerator").LIMITS
    assert list(dict.fromkeys(row["part"] for row in rows)) == list(parts)
    assert not any("error" in row for row in rows)
    speeds = {(row["part"], row.get("call")) for row in rows if "steps_per_second" in row}
    assert speeds >= {
        ("uniform", None),
        ("prioritised", None),
        ("end-to-end", "first"),
        ("end-to-end", "second"),
        ("landscape", None),
        ("uniform-most", None),
        ("grid", None),
        ("population-most", "first"),
    }
    assert printed.splitlines()[-1].startswith("| rejax |")
