"""Each example runs to its end, draws its figure and prints its results."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# The files that a job of the Hydra example leaves.
CURVE = "evaluation.csv"

# Text that each of them prints.
FACTS = {
    "random_search": [
        r"The best 5 of 5 trials:",
        r"compile seconds: \d+\.\d\d in the first trial, 0\.00 in the 4 after it",
        r"the best configuration with 2 other seeds: \d",
    ],
    "reactive_schedule": [
        r"constant: mean return \d",
        r"reactive - constant: [+-]\d",
        r"compile seconds: \d+\.\d\d in the first step, 0\.00 in the 19 after it",
    ],
    "learned_policy": [
        r"generation  2: .*; .*, compile seconds 0\.00",
        r"Mean return over the schedule, 2 fresh seeds:",
        r"learned policy - constant, its average: .*(better|worse|no clear difference)",
    ],
}


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the scripts, which do not form a package."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def test_every_example_is_run_and_described_here() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py") if "__main__" in path.read_text()}
    assert scripts == FACTS.keys()
    readme = (EXAMPLES / "README.md").read_text()
    assert all(f"python examples/{script}.py" in readme for script in scripts)


@pytest.mark.thorough
@pytest.mark.parametrize("script", FACTS)
def test_an_example_prints_what_it_found_and_draws_it(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-W", "error", str(EXAMPLES / f"{script}.py"),
            "--quick", "--out", str(tmp_path / "out"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for fact in FACTS[script]:
        assert re.search(fact, done.stdout), done.stdout
    figure = tmp_path / "out" / f"{script}.png"
    assert f"Figure: {figure}" in done.stdout
    height, width, _ = (picture := matplotlib.image.imread(figure)).shape
    assert width >= 1000
    assert height >= 600
    # It has something drawn, in more than one colour.
    assert picture[..., :3].std(axis=(0, 1)).min() > 0.01


@pytest.mark.thorough
def test_hydra_drives_a_job_for_each_value(tmp_path: Path) -> None:
    words = ["-m", "hp_config.learning_rate=3e-4,1e-3", "seed=1,2"]
    lengths = ["environment.n_total_timesteps=2000", "autorl.n_eval_steps=2"]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "hydra" / "train.py"), *words, *lengths],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    printed = [float(text) for text in re.findall(r"^objective: (\S+)$", done.stdout, re.M)]
    assert len(printed) == 4
    for job, objective in enumerate(printed):
        curve = pd.read_csv(tmp_path / "runs" / "examples" / "hydra" / "many" / str(job) / CURVE)
        assert len(curve) == 2
        assert curve["returns"].iloc[-1] == pytest.approx(objective)
    assert len(set(printed)) > 1


def test_the_schedule_reacts_to_returns_and_to_gradients(examples) -> None:
    script = examples("reactive_schedule")

    def step(final_return: float, grad_norm: float, rate: float = 3e-4) -> Any:
        return script.Step(0.2, rate, final_return, grad_norm, pd.DataFrame(), 0.0)

    before = {"target_epsilon": 0.2, "learning_rate": 3e-4}
    assert script.reactive([]) == before
    assert script.reactive([step(199, 1), step(199, 2), step(199, 3)]) == before
    # Once the threshold is passed, this does not change when returns fall again.
    assert script.reactive([step(200, 1), step(9, 2)])["target_epsilon"] == 0.02
    level = [step(9, 1.0), step(9, 1.05), step(9, 0.97)]
    assert script.reactive(level)["learning_rate"] == 3e-3
    # A spike lasts for one step, and the next one comes after at least three steps without one.
    spiked = [*level, step(9, 1.0, rate=3e-3), step(9, 1.0), step(9, 1.0)]
    assert script.reactive(spiked)["learning_rate"] == 3e-4
    assert script.reactive([*spiked, step(9, 1.0)])["learning_rate"] == 3e-3


def test_a_linear_policy_stays_in_its_ranges(examples) -> None:
    script = examples("linear_policy")
    nothing_yet = script.features({}, 3, n_steps=4)
    np.testing.assert_array_equal(nothing_yet, [[1, 0, 0, 0]] * 3)
    weights = np.array([0.0, -1e3, 1e3])[:, None, None] * np.ones((2, 4))
    middle, low, high = script.linear(weights)(nothing_yet)
    np.testing.assert_allclose(middle, (script.LOWER + script.UPPER) / 2)
    np.testing.assert_allclose([low, high], [script.LOWER, script.UPPER])
    obs = {
        "steps": np.array([[2, 640], [1, 320]]),
        "grad_info": np.array([[9.0, 1.0], [0.0, 0.0]]),
        "return_history": np.array([[10.0, 250.0, 0.0, 0.0], [500.0, 0.0, 0.0, 0.0]]),
    }
    np.testing.assert_allclose(script.features(obs, 2, 4), [[1, 0.5, 1, 0.5], [1, 0.25, 0, 1]])
