"""States in folders: a member continues from its own, or with the network of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.algorithms.checkpointing import Checkpointer
from arlbench.core.environments import make_env_from_spec
from arlbench.errors import CheckpointError, ConfigurationError
from arlbench.population.handover import Handover, received
from probe_framework import walk
from probes import same_bits, small_dqn
from small_populations import SLOW, TIMESTEPS, UNIFORM, train

FIRST, SECOND = (0, 0), (1, 0)
HALF = TIMESTEPS // 2
CONFIGS = [UNIFORM, SLOW]


def halves(folder: Path, **settings: Any) -> Any:
    """The first halves of two members, which leave their states."""
    handovers = {m: Handover(end=folder / str(m[0])) for m in (FIRST, SECOND)}
    return train(
        CONFIGS, [3], n_total_timesteps=HALF, n_eval_steps=1, schedule_timesteps=TIMESTEPS,
        handovers=handovers, **settings,
    )  # fmt: skip


def second_halves(handovers: Any, **settings: Any) -> Any:
    return train(
        CONFIGS, [3], n_total_timesteps=HALF, n_eval_steps=1, schedule_timesteps=TIMESTEPS,
        timesteps_before=HALF, handovers=handovers, keep_state=True, **settings,
    )  # fmt: skip


@pytest.mark.parametrize(
    "placement", ["sequential", pytest.param("batched", marks=pytest.mark.thorough)]
)
def test_two_halves_are_the_whole(tmp_path, placement) -> None:
    whole = train(CONFIGS, [3], schedule_timesteps=TIMESTEPS, keep_state=True, placement=placement)
    first = halves(tmp_path, placement=placement)
    handovers = {m: Handover(begin=tmp_path / str(m[0])) for m in (FIRST, SECOND)}
    second = second_halves(handovers, placement=placement)
    returns = np.concatenate([first.returns, second.returns], axis=2)
    np.testing.assert_array_equal(returns, whole.returns)
    for one, other in zip(second.members, whole.members, strict=True):
        assert same_bits(one.parts, other.parts)


def test_members_of_one_call_may_have_other_numbers_of_evaluations(tmp_path) -> None:
    result = train(CONFIGS, [3], n_total_timesteps=[400, 800], n_eval_steps=[1, 2])
    assert result.returns.shape == (2, 1, 2, 3)
    assert np.isnan(result.returns[0, 0, 1]).all()
    assert np.isfinite(result.returns[1]).all()
    assert [member.returns.shape for member in result.members] == [(1, 3), (2, 3)]


def test_only_the_network_is_taken_from_another(tmp_path) -> None:
    halves(tmp_path)
    own, other = tmp_path / "0", tmp_path / "1"
    end = tmp_path / "mixed"
    second_halves({FIRST: Handover(own, other, end)}, members=[FIRST])
    dqn = small_dqn(make_env_from_spec(walk()), **UNIFORM)
    loaded = {name: Checkpointer.load(path, dqn).parts for name, path in
              {"own": own, "other": other, "end": end}.items()}  # fmt: skip

    runner, _ = received(Handover(own, other), dqn, print)
    assert same_bits(runner.train_state.params, loaded["other"]["params"])
    assert same_bits(runner.train_state.target_params, loaded["other"]["target_params"])
    assert same_bits(runner.obs, loaded["own"]["obs"])
    assert not same_bits(loaded["own"]["params"], loaded["other"]["params"])
    assert not same_bits(loaded["end"]["params"], loaded["other"]["params"])


def test_one_that_diverges_leaves_nothing(tmp_path) -> None:
    handovers = {FIRST: Handover(end=tmp_path / "0")}
    result = train([{**UNIFORM, "learning_rate": 1e20}], [3], handovers=handovers)
    assert result.status[0, 0] == "diverged"
    assert not (tmp_path / "0").exists()


def test_a_state_that_is_absent_is_named(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="No checkpoint was found in"):
        second_halves({FIRST: Handover(begin=tmp_path / "nothing")}, members=[FIRST])
    with pytest.raises(ConfigurationError, match="does not exist"):
        second_halves({(7, 0): Handover(begin=tmp_path / "nothing")})


@pytest.mark.parametrize(
    ("handovers", "message"),
    [
        (
            {FIRST: Handover(end=Path("a")), SECOND: Handover(end=Path("./a"))},
            "2 members would leave their states in a; give each its own folder",
        ),
        ({FIRST: Handover(network=Path("a"))}, r"member \(0, 0\) .* network in a, .* a begin"),
    ],
    ids=["end", "network"],
)
def test_an_impossible_handover_is_refused_before_any_member_trains(handovers, message) -> None:
    begun: list[Any] = []
    with pytest.raises(ConfigurationError, match=message):
        train(CONFIGS, [3], handovers=handovers, on_progress=begun.append)
    assert not begun
