"""``python on_ray.py FOLDER``: trains a population, a sweep and studies on Ray on this machine.

It is a program of its own, because Ray leaves objects behind that pytest would warn of.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.folder import SweepFolder, read_rows
from arlbench.experiments.training import train_missing
from arlbench.population import leave_ray, use_ray
from arlbench.tuning import load, tune
from small_populations import train

PROBLEM = Problem(
    EnvSpec("gymnax", "CartPole-v1", 4),
    hpo_config={
        "learning_starts": 64, "buffer_size": 2000, "buffer_batch_size": 16, "train_freq": 4,
    },
    nas_config={"hidden_size": 8},
    n_total_timesteps=900,
    n_eval_steps=9,
    n_eval_episodes=4,
)  # fmt: skip
WORDS = {"learning_rate": "1e-5..1e-2", "gradient_steps": "1..2"}
HALVING = {"n_configs": 3, "eta": 3, "min_evaluations": 3}

#: It steps in Python, and is in a module of the tests.
ON_THE_HOST = PROBLEM.replace(env_spec=EnvSpec("gymnasium", "own_probes:Counting", 4))


def results(folder: Path) -> dict[str, Any]:
    """Everything that must be the same with Ray and without."""
    population = train()
    tune(
        PROBLEM, "successive_halving", words=WORDS, tuner_settings=HALVING, n_trials=4,
        seeds=(0, 1), folder=folder / "study", test_seeds=(100,),
    )  # fmt: skip
    configs = ({"learning_rate": 1e-3}, {"learning_rate": 1e-2})
    with SweepFolder(folder / "sweep", Experiment(PROBLEM, configs, (0, 1))) as storage:
        train_missing(storage)
    study = load(folder / "study").trials.drop(columns=["seconds"])
    return {
        "population": population.returns.tolist(),
        "study": json.dumps(study.to_dict("records"), default=str),
        "sweep": read_rows(folder / "sweep").drop_columns(["train_seconds"]).to_pylist(),
    }


def study_on_the_host(folder: Path) -> dict[str, Any]:
    """Which trials were restarted, and what the user was told."""
    said: list[str] = []
    outcome = tune(
        ON_THE_HOST, "successive_halving", words=WORDS, tuner_settings=HALVING, n_trials=4,
        seeds=(0,), folder=folder / "host", on_notice=said.append,
    )  # fmt: skip
    restarted = [r.restarted for r in outcome.results if r.trial.continues is not None]
    return {"restarted": restarted, "said": said}


def main(folder: Path) -> None:
    """Prints results as JSON."""
    n_cores = use_ray()
    found = {"n_cores": n_cores, **results(folder), "host": study_on_the_host(folder)}
    leave_ray()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
