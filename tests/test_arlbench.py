"""One training in one call, as Hydra and others use it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

import arlbench
from arlbench.arlbench import run_arlbench
from arlbench.autorl import Checkpointer
from arlbench.errors import ArlbenchError
from probes import SMALL
from schedules import TINY, tiny_env

#: A configuration like those in published files, with an inactive ``tau``.
CONFIG: dict[str, Any] = {
    "seed": 3,
    "load": "",
    "save": "",
    "algorithm": "dqn",
    "environment": {"name": "Walk"},
    "hp_config": {**SMALL, "use_target_network": False, "tau": 0.5},
    "autorl": {**TINY, "seed": "${seed}", "env_name": "${environment.name}", "n_steps": 1},
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The learning curve is written into the working directory."""
    monkeypatch.chdir(tmp_path)


def config(autorl: Any = (), **changes: Any) -> Any:
    merged = {**CONFIG, **changes, "autorl": {**CONFIG["autorl"], **dict(autorl)}}
    return OmegaConf.create(merged)


def returns() -> list[float]:
    return pd.read_csv("evaluation.csv")["returns"].tolist()


def stepped(**changes: Any) -> Any:
    """A step of an AutoRLEnv with the same settings."""
    env = tiny_env(n_steps=1, **changes)
    env.reset()
    return env.step({**SMALL, "use_target_network": False})


def test_one_objective_comes_back_as_a_number() -> None:
    objective = run_arlbench(config())
    _, expected, _, _, info = stepped(seed=3)
    assert type(objective) is float
    assert objective == expected["reward_mean"]
    assert returns() == pytest.approx(info["train_info_df"]["returns"].tolist())
    assert arlbench.run_arlbench is run_arlbench


def test_several_objectives_come_back_in_the_order_asked_for() -> None:
    names = ["reward_std", "runtime", "reward_mean"]
    std, runtime, mean = run_arlbench(config({"objectives": names}))  # type: ignore[misc]
    _, expected, *_ = stepped(seed=3, objectives=names)
    assert list(expected) == names
    assert (std, mean) == (expected["reward_std"], expected["reward_mean"])
    assert runtime < 0  # seconds, to be maximised


def test_a_training_in_two_calls_is_one(tmp_path: Path) -> None:
    whole = tiny_env(n_steps=2, seed=3)
    whole.reset()
    action = {**SMALL, "use_target_network": False}
    expected = [whole.step(action)[-1]["train_info_df"]["returns"].tolist() for _ in range(2)]
    run_arlbench(config(save=tmp_path / "one"))
    assert returns() == pytest.approx(expected[0])
    assert (tmp_path / "one" / "default_checkpoint").is_dir()
    run_arlbench(config(load=tmp_path / "one", save=tmp_path / "two"))
    assert returns() == pytest.approx(expected[1])


def test_another_seed_gives_a_clone_random_numbers_of_its_own(tmp_path: Path) -> None:
    run_arlbench(config(save=tmp_path / "parent"))
    curves = {}
    for seed in (3, 4, 5):
        save = tmp_path / str(seed)
        run_arlbench(config(seed=seed, load=tmp_path / "parent", save=save))
        env = tiny_env(n_steps=1)
        curves[seed] = Checkpointer.load(
            save / "default_checkpoint", env._algorithm
        ).state.runner_state.train_state.params
    leaves = [next(iter(params["params"]["out"]["bias"].tolist())) for params in curves.values()]
    assert len(set(leaves)) == 3


def test_what_autorl_names_is_what_is_saved(tmp_path: Path) -> None:
    run_arlbench(config({"checkpoint": ["params"], "checkpoint_name": "mine"}, save=tmp_path / "a"))
    parts = Checkpointer.load(tmp_path / "a" / "mine", tiny_env()._algorithm).parts
    assert parts.keys() == {"params", "target_params"}


@pytest.mark.thorough
def test_architecture_choices_may_be_given_in_three_places() -> None:
    run_arlbench(config(nas_config={"hidden_size": 4}))
    narrow = returns()
    run_arlbench(config(hp_config={**CONFIG["hp_config"], "hidden_size": 4}))
    assert returns() == narrow
    run_arlbench(config({"nas_config": {"hidden_size": 4}}))
    assert returns() == narrow
    run_arlbench(config())
    assert returns() != narrow


def test_a_logger_is_told(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("mine")
    with caplog.at_level(logging.INFO):
        run_arlbench(config(save="saved"), logger)
    assert {record.name for record in caplog.records} >= {"mine"}
    assert "saved in saved/default_checkpoint" in caplog.text
    assert "objectives: {'reward_mean':" in caplog.text


def test_a_training_that_diverges_is_nan(caplog: pytest.LogCaptureFixture) -> None:
    hp_config = {**SMALL, "learning_rate": 3e38}
    assert math.isnan(run_arlbench(config(hp_config=hp_config)))  # type: ignore[arg-type]
    assert "learning diverged after" in caplog.text


def test_keys_of_other_programs_are_ignored_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    others = {"hydra": {}, "load_checkpoint": "", "smac_seed": 3, "seeds": [1]}
    with caplog.at_level(logging.DEBUG):
        run_arlbench(config(**others))
    assert f"ignores the keys algorithm, environment, {', '.join(others)}," in caplog.text


WRONG: dict[str, tuple[Any, str]] = {
    "no mapping": (3, "cfg must be a mapping, not a int"),
    "no settings": ({"autorll": {}}, "cfg has no 'autorl'.*Did you mean 'autorl'"),
    "a section": ({"autorl": {}, "hp_confg": {}}, "key 'hp_confg'.*Did you mean 'hp_config'"),
    "a key": ({"autorl": {}, "sed": 3}, "Unknown key 'sed'.*Did you mean 'seed'"),
    "a setting": ({"autorl": {"env_nam": "x"}}, "Did you mean 'env_name'"),
    "a hyperparameter": ({"autorl": {}, "hp_config": {"gama": 1}}, "Did you mean 'gamma'"),
    "not asked for": (
        {"autorl": TINY, "hp_config": {"double_q": True}},
        "double_q belongs to the extended space.*extended=True",
    ),
    "nothing to load": (
        {"autorl": TINY, "load": "nowhere"},
        "nowhere does not contain a checkpoint",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(case: str) -> None:
    cfg, message = WRONG[case]
    with pytest.raises(ArlbenchError, match=message):
        run_arlbench(cfg)
