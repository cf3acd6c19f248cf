"""Updates and trainings with extensions: they take effect, compile nothing, and stay exact."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.extensions import batches, windows
from arlbench.core.algorithms.dqn.extensions.registry import EXTENSIONS
from arlbench.core.algorithms.dqn.state import StoredTransition
from arlbench.core.buffers import storage
from arlbench.core.checks import INT32_MAX
from arlbench.errors import ConfigurationError
from changed_hyperparameters import BASE
from probes import CAPACITY, Walk, as_numpy, same_bits, small_dqn, small_state

ALL = [*EXTENSIONS]

ANOTHER_VALUE: dict[str, dict[str, Any]] = {
    "loss": {"loss": "huber", "huber_delta": 0.1},
    "huber_delta": {"loss": "huber", "huber_delta": 0.5},
    "max_grad_norm": {"max_grad_norm": 0.01},
    "adam_epsilon": {"adam_epsilon": 1e-2},
    "weight_decay": {"weight_decay": 0.1},
    "double_q": {"double_q": True},
    "n_step": {"n_step": 3},
    "learning_rate_final_factor": {"learning_rate_final_factor": 0.1},
    "buffer_beta_anneal": {"buffer_beta_anneal": 1.0},
    "munchausen_alpha": {"munchausen_alpha": 0.9},
    "munchausen_temperature": {"munchausen_alpha": 0.9, "munchausen_temperature": 0.5},
    "exploration": {"exploration": "ez_greedy"},
    "exploration_temperature": {"exploration": "boltzmann", "exploration_temperature": 0.1},
}


def trained(dqn: DQN, n_timesteps: int = 400) -> Any:
    state = dqn.init(jax.random.key(0), capacity=CAPACITY)
    return dqn.train(*state, n_timesteps, 2, 3)


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "observations": rng.normal(size=(8, 2)).astype(np.float32),
        "is_weights": np.ones(8, np.float32),
        "actions": rng.integers(0, 2, 8).astype(np.int32),
        "next_observations": rng.normal(size=(8, 2)).astype(np.float32),
        "rewards": rng.normal(0, 3, 8).astype(np.float32),
        "dones": (rng.random(8) < 0.4).astype(np.float32),
    }


def updated(extensions: list[str] | None = None, nas: Any = None, **hpo: Any) -> Any:
    """The train state before an update, and what the update gives."""
    choices = {"hidden_size": 8, **(nas or {})}
    dqn = DQN({**BASE, **hpo}, Walk(), nas_config=choices, extensions=extensions)
    train_state = small_state(dqn).runner_state.train_state
    other = jax.tree.map(lambda x: x * 0.5 + 0.1, train_state.params)
    train_state = train_state.replace(target_params=other)
    return train_state, dqn.update(train_state, **batch())


@pytest.fixture(scope="module")
def plain_update() -> Any:
    return updated()


def test_with_everything_compiled_in_but_off_an_update_is_the_plain_one(plain_update: Any) -> None:
    found, expected = updated(ALL)[1], plain_update[1]
    for one, other in zip(as_numpy(found), as_numpy(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_the_optimiser_keeps_its_tree_and_its_constants(plain_update: Any) -> None:
    hpo = {"adam_epsilon": 1e-3, "weight_decay": 0.1, "max_grad_norm": 1.0}
    (after, *_), (plain, *_) = updated(**hpo)[1], plain_update[1]
    assert jax.tree.structure(after.opt_state) == jax.tree.structure(plain.opt_state)
    assert same_bits(after.opt_state.hyperparams, plain.opt_state.hyperparams)


def test_decay_is_the_learning_rate_times_the_decay_of_each_parameter(plain_update: Any) -> None:
    (before, (after, *_)), (_, (plain, *_)) = updated(weight_decay=0.5), plain_update
    rate = float(before.opt_state.hyperparams["learning_rate"])
    triples = zip(*map(as_numpy, (before.params, after.params, plain.params)), strict=True)
    for old, decayed, without in triples:
        np.testing.assert_allclose(decayed, without - rate * 0.5 * old, rtol=1e-4, atol=1e-7)


def test_hubers_loss_counts_large_errors_linearly(plain_update: Any) -> None:
    _, (_, loss, errors, _) = updated(loss="huber", huber_delta=0.5)
    sizes = np.abs(errors)
    by_hand = np.where(sizes <= 0.5, 0.5 * sizes**2, 0.5 * (sizes - 0.25))
    np.testing.assert_allclose(loss, np.mean(by_hand), rtol=1e-5)
    assert same_bits(errors, plain_update[1][2])


def test_the_first_step_of_adam_shows_its_epsilon() -> None:
    before, (after, _, _, grads) = updated(adam_epsilon=0.01)
    rate = float(before.opt_state.hyperparams["learning_rate"])
    for old, new, g in zip(*map(as_numpy, (before.params, after.params, grads)), strict=True):
        np.testing.assert_allclose(new, old - rate * g / (np.abs(g) + 0.01), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("distribution", ["categorical", "quantile"])
def test_td_errors_of_a_distribution_are_those_of_its_expected_values(distribution: str) -> None:
    dqn = DQN(BASE, Walk(), nas_config={"hidden_size": 8, "distribution": distribution})
    train_state, given = small_state(dqn).runner_state.train_state, batch()
    _, _, errors, _ = dqn.update(train_state, **given)
    apply = functools.partial(train_state.apply_fn, train_state.params)
    q = np.asarray(apply(given["observations"]))[np.arange(8), given["actions"]]
    best = np.max(apply(given["next_observations"]), axis=1)
    target = given["rewards"] + 0.9 * (1 - given["dones"]) * best
    np.testing.assert_allclose(errors, q - target, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("hpo", "extension"), [({"n_step": 3}, "n_step"), ({"exploration": "ez_greedy"}, "exploration")]
)
def test_a_state_without_what_an_extension_keeps_is_refused_with_the_cure(
    hpo: Any, extension: str
) -> None:
    dqn = small_dqn()
    state = small_state(dqn)
    dqn.update_hpo_config(hpo)
    with pytest.raises(ConfigurationError, match=rf"extensions=\['{extension}'\]"):
        dqn.train(*state, 100, 1, 1)


def test_a_given_buffer_must_know_the_ends_of_episodes() -> None:
    with_ends, without = small_dqn(n_step=3), small_dqn()
    for dqn, other in ((with_ends, without), (without, with_ends)):
        buffer = small_state(other).buffer_state
        with pytest.raises(ConfigurationError, match=r"extensions=\['n_step'\]"):
            dqn.init(jax.random.key(0), buffer_state=buffer)


@pytest.mark.parametrize("n_envs", [1, 3, 4, 4096])
def test_environment_steps_are_counted_up_to_the_longest_schedule(n_envs: int) -> None:
    few, many = (int(batches.timesteps_done(jnp.int32(n), n_envs)) for n in (7, INT32_MAX))
    assert few == 7 * n_envs
    assert INT32_MAX - n_envs < many <= INT32_MAX


def test_a_learning_rate_stays_at_its_end_when_32_bits_cannot_count_the_steps() -> None:
    dqn = small_dqn(learning_rate=0.01, learning_rate_final_factor=0.5)
    runner, buffer = small_state(dqn)
    # With the four environments, the steps taken are 2**32.
    runner = runner._replace(global_step=jnp.int32(2**30))
    state, _ = dqn.train(runner, buffer, 80, 1, 1, schedule_timesteps=1000)
    rate = state.runner_state.train_state.opt_state.hyperparams["learning_rate"]
    np.testing.assert_allclose(rate, 0.005, rtol=1e-6)


def counted(dqn: DQN, n_steps: int) -> Any:
    """A buffer in which environment ``e`` counts from ``100 e``, and earns ``e`` in each step."""
    n = dqn.env.n_envs
    buffer, ids = dqn.structure.agent.init_buffer(CAPACITY), np.arange(n)
    never = np.zeros(n, bool)
    for t in range(n_steps):
        obs = np.repeat((100.0 * ids + t)[:, None], 2, axis=1).astype(np.float32)
        action, reward = ids.astype(np.int32), ids.astype(np.float32)
        row = StoredTransition(obs, action, reward, obs + 1, never, never)
        buffer = storage.append(buffer, row, 200, None)
    return buffer


@pytest.mark.parametrize(("n_before", "steps"), [(4, 3), (8, 1), (2, 1)])
def test_windows_in_a_given_buffer_stay_in_one_environment(n_before: int, steps: int) -> None:
    """With another number of environments, the rows that follow are not known."""
    given = counted(small_dqn(Walk(n_before), n_step=3), 8)
    dqn = small_dqn(Walk(4), n_step=3)
    buffer = dqn.init(jax.random.key(0), buffer_state=given).buffer_state
    rows = np.arange(n_before)
    found = windows.window(buffer, rows, 200, 4, 3, 3, np.float32(1.0))
    np.testing.assert_array_equal(found.reward, steps * rows)


@pytest.fixture(scope="module")
def unchanged() -> Any:
    return trained(small_dqn(settings={"extensions": ALL}, **BASE))


def test_every_extended_hyperparameter_is_tried() -> None:
    assert ANOTHER_VALUE.keys() == {part for parts in EXTENSIONS.values() for part in parts}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ANOTHER_VALUE)
def test_a_value_compiles_nothing_within_a_set_but_takes_effect(
    name: str, unchanged: Any, count_compilations: Any
) -> None:
    dqn = small_dqn(settings={"extensions": ALL}, **{**BASE, **ANOTHER_VALUE[name]})
    with count_compilations() as counter:
        state, _ = trained(dqn)
    assert counter.names == []
    params = [each.runner_state.train_state.params for each in (state, unchanged[0])]
    assert not same_bits(*params)


@pytest.mark.thorough
def test_ten_random_configurations_compile_nothing_after_the_first(
    unchanged: Any, count_compilations: Any
) -> None:
    extended = {part for parts in EXTENSIONS.values() for part in parts}
    configs = DQN.get_hpo_config_space(5, extended=True).sample_configuration(10)
    with count_compilations() as counter:
        for config in configs:
            own = {k: v for k, v in dict(config).items() if k in extended}
            trained(small_dqn(settings={"extensions": ALL}, **{**BASE, **own}))
    assert counter.names == []


@pytest.mark.thorough
def test_a_training_in_parts_equals_one_in_one_go() -> None:
    """The state of persistent actions and noise are continued, too."""
    hpo = {**BASE, "exploration": "ez_greedy", "n_step": 3}

    def made() -> DQN:
        return DQN({**small_dqn().hpo_config, **hpo}, Walk(), nas_config={"noisy": True})

    whole, dqn = made(), made()
    expected, _ = whole.train(*whole.init(jax.random.key(0), capacity=CAPACITY), 400, 1, 2)
    state = dqn.init(jax.random.key(0), capacity=CAPACITY)
    for _ in range(2):
        state, _ = dqn.train(*state, 200, 1, 2, schedule_timesteps=400)
    assert same_bits(state.runner_state.train_state, expected.runner_state.train_state)
    assert same_bits(state.runner_state.env_state, expected.runner_state.env_state)
