"""Checkpoints of an algorithm, with all or some parts, are only loaded where they fit."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench import make_env
from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import PROBABILITY, Declarations, real, whole
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.checkpoints import folder as checkpoint_folder
from arlbench.core.shapes import ArrayTemplate
from arlbench.errors import CheckpointError, ConfigurationError, ConsumedStateError
from probes import TwoSteps, Walk, same_bits, small_dqn, small_state


class Counter(Algorithm):
    """An algorithm that does not learn: it counts in a NumPy array, and has no buffer."""

    name = "counter"
    environment_parts = ("where",)

    def __init__(self) -> None:
        self.env = self.eval_env = Walk()
        self.hpo_config = {"by": np.float32(0.5)}
        self.nas_config = {"layers": 2}

    @staticmethod
    def hyperparameters() -> Declarations:
        return {"by": real(0.0, 1.0, 0.5, PROBABILITY, name="by")}

    @staticmethod
    def architecture_choices() -> Declarations:
        return {"layers": whole(1, 3, 2, name="layers")}

    @staticmethod
    def get_checkpoint_factory(runner_state: Any, train_result: Any) -> Any:
        return {
            "count": lambda: runner_state["count"],
            "where": lambda: runner_state["where"],
            "log": lambda: train_result,
        }

    def checkpoint_template(self) -> Any:
        any_length = ArrayTemplate((None,), np.float32)
        return {"count": np.zeros((), np.int32), "where": any_length, "log": any_length}

    def restore(self, parts: Any, state: Any = None) -> Any:
        return {**(state or self.init(None))[0], **parts}, ()

    def init(self, rng: Any) -> Any:
        return {"count": np.array(0, np.int32), "where": np.zeros(2, np.float32)}, ()


# Methods that saving does not need are left out.
Counter.__abstractmethods__ = frozenset()


@pytest.fixture(scope="module")
def trained() -> tuple[DQN, Any, Any]:
    """A state that must not be trained further, because the tests share it."""
    dqn = small_dqn(buffer_prio_sampling=True)
    return dqn, *dqn.train(*small_state(dqn), 160, 1, 2)


def test_an_algorithm_that_is_no_dqn_is_saved_and_loaded(tmp_path: Path) -> None:
    counter = Counter()
    runner_state, _ = counter.init(None)
    runner_state["count"] += 7
    with Checkpointer(tmp_path) as checkpointer:
        path = checkpointer.save(
            counter,
            (runner_state, ()),
            np.arange(3, dtype=np.float32),
            extra={"file": np.array([1.5]), "allow_pickle": np.array(2)},
            info={"by": {10: "ten", 2: "two"}, "n": np.int64(4)},
        )
    loaded = Checkpointer.load(tmp_path, counter)
    assert loaded.path == path == tmp_path / "checkpoint-000001"
    assert int(loaded.state[0]["count"]) == 7
    np.testing.assert_array_equal(loaded.parts["log"], [0.0, 1.0, 2.0])
    assert {name: x.tolist() for name, x in loaded.extra.items()} == {
        "file": [1.5], "allow_pickle": 2,
    }  # fmt: skip
    assert loaded.info == {"by": {"10": "ten", "2": "two"}, "n": 4}
    assert loaded.notes == ()


def test_an_algorithm_without_a_buffer_has_none_to_save(tmp_path: Path) -> None:
    counter = Counter()
    with pytest.raises(ConfigurationError, match="no part called 'buffer'"):
        Checkpointer(tmp_path, ["buffer"]).save(counter, counter.init(None))
    with pytest.raises(ConfigurationError, match="counter has no buffer to save"):
        Checkpointer(tmp_path).save_buffer(counter, ())
    path = Checkpointer(tmp_path).save(counter, counter.init(None))
    assert not (path / "buffer.npz").exists()
    with pytest.raises(CheckpointError, match="holds no buffer"):
        Checkpointer.load_buffer(tmp_path, counter)


def test_of_a_host_environment_a_fresh_episode_begins(tmp_path: Path) -> None:
    counter = Counter()
    counter.env.kind = "host"  # type: ignore[misc]
    runner_state = {"count": np.array(3, np.int32), "where": np.ones(2, np.float32)}
    Checkpointer(tmp_path).save(counter, (runner_state, ()))
    loaded = Checkpointer.load(tmp_path, counter)
    assert loaded.notes == ("The state of Walk cannot be saved, so new episodes begin.",)
    assert loaded.parts.keys() == {"count"}
    np.testing.assert_array_equal(loaded.state[0]["where"], [0.0, 0.0])


def test_of_a_dqn_on_the_host_all_but_the_environment_is_saved(tmp_path: Path, trained) -> None:
    _, state, result = trained
    dqn = small_dqn(buffer_prio_sampling=True)
    dqn.env.kind = "host"  # type: ignore[misc]
    Checkpointer(tmp_path).save(dqn, state, result)
    loaded = Checkpointer.load(tmp_path, dqn)
    assert not {"env_state", "obs"} & loaded.parts.keys()
    assert {"params", "rng", "buffer", "normalizer_state"} <= loaded.parts.keys()
    assert len(loaded.notes) == 1
    fresh = small_state(dqn).runner_state
    assert same_bits(loaded.state.runner_state.obs, fresh.obs)
    assert same_bits(loaded.state.buffer_state, state.buffer_state)


def test_a_subset_is_saved_by_name_and_the_rest_comes_from_a_state(tmp_path: Path, trained) -> None:
    dqn, state, _ = trained
    path = Checkpointer(tmp_path, ["params", "opt_state"]).save(dqn, state)
    assert {file.name for file in path.iterdir()} == {
        "manifest.json", "params.npz", "target_params.npz", "opt_state.npz",
    }  # fmt: skip
    other = small_state(dqn, seed=5)
    loaded = Checkpointer.load(path, dqn, other).state
    saved, rest = state.runner_state.train_state, other.runner_state
    assert same_bits(loaded.runner_state.train_state.params, saved.params)
    assert same_bits(loaded.runner_state.train_state.opt_state, saved.opt_state)
    assert same_bits(loaded.runner_state.train_state.target_params, saved.target_params)
    assert same_bits(loaded.runner_state.obs, rest.obs)
    assert same_bits(loaded.buffer_state, other.buffer_state)


def test_parameters_bring_their_target_network_along(tmp_path: Path, trained) -> None:
    dqn, state, _ = trained
    Checkpointer(tmp_path, "params").save(dqn, state)
    loaded = Checkpointer.load(tmp_path, dqn, small_state(dqn, seed=5))
    assert loaded.parts.keys() == {"params", "target_params"}
    train_state, saved = loaded.state.runner_state.train_state, state.runner_state.train_state
    assert same_bits(train_state.params, saved.params)
    assert same_bits(train_state.target_params, saved.target_params)
    assert not same_bits(saved.target_params, saved.params)


def test_parameters_without_a_target_network_bring_one_that_equals_them(trained) -> None:
    dqn, state, _ = trained
    params = state.runner_state.train_state.params
    train_state = dqn.restore({"params": params}).runner_state.train_state
    assert same_bits(train_state.params, params)
    assert same_bits(train_state.target_params, params)
    assert train_state.target_params is not train_state.params


def test_the_buffer_alone_is_saved_and_loaded(tmp_path: Path, trained) -> None:
    dqn, state, _ = trained
    path = Checkpointer(tmp_path).save_buffer(dqn, state.buffer_state)
    assert {file.name for file in path.iterdir()} == {"manifest.json", "buffer.npz"}
    assert same_bits(Checkpointer.load_buffer(tmp_path, dqn), state.buffer_state)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["parms"], r"dqn has no part called 'parms'\. Did you mean 'params'\?"),
        (["params", "zzz"], "no part called 'zzz'. The parts are: opt_state, params"),
        (["loss"], "loss should be saved but was not given; give save the tr"),
        (["all", "td_error"], "td_error should be saved but was not given"),
    ],
)
def test_a_part_that_is_not_there_is_named(names, complaint, tmp_path: Path, trained) -> None:
    dqn, state, _ = trained
    with pytest.raises(ConfigurationError, match=complaint):
        Checkpointer(tmp_path / "new", names).save(dqn, state)
    assert not (tmp_path / "new").exists()


def test_impossible_settings_are_refused(tmp_path: Path, trained) -> None:
    with pytest.raises(ConfigurationError, match="names is empty"):
        Checkpointer(tmp_path, [])
    for keep in (0, 1.5, "3"):
        with pytest.raises(ConfigurationError, match="keep must be a positive whole number"):
            Checkpointer(tmp_path, keep=keep)  # type: ignore[arg-type]
    dqn, state, _ = trained
    with pytest.raises(ConfigurationError, match="must be JSON: the type set is not supported"):
        Checkpointer(tmp_path / "new").save(dqn, state, info={"seen": {1, 2}})
    assert not (tmp_path / "new").exists()


def test_a_state_that_training_has_taken_over_is_refused(tmp_path: Path) -> None:
    dqn = small_dqn()
    state = small_state(dqn)
    dqn.train(*state, 160, 1, 2)
    with pytest.raises(ConsumedStateError, match="save the state that it returned"):
        Checkpointer(tmp_path / "new").save(dqn, state)
    with pytest.raises(ConsumedStateError, match="save the state that it returned"):
        Checkpointer(tmp_path / "new").save_buffer(dqn, state.buffer_state)
    assert not (tmp_path / "new").exists()


def test_what_is_saved_in_the_background_is_the_state_of_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write, write = threading.Event(), checkpoint_folder.write_tree

    def wait_and_write(path: Path, tree: Any) -> None:
        assert may_write.wait(60)
        write(path, tree)

    monkeypatch.setattr(checkpoint_folder, "write_tree", wait_and_write)
    dqn, counter = small_dqn(), Counter()
    state = small_state(dqn)
    saved = jax.tree.map(jnp.copy, state)
    counting, _ = counter.init(None)
    with (
        Checkpointer(tmp_path / "dqn", background=True) as first,
        Checkpointer(tmp_path / "counter", background=True) as second,
    ):
        first.save(dqn, state)
        second.save(counter, (counting, ()))
        counting["count"] += 1
        dqn.train(*state, 160, 1, 2)  # reuses the memory of the state
        assert first.busy
        assert first.newest is None
        may_write.set()
    assert not first.busy
    assert same_bits(Checkpointer.load(tmp_path / "dqn", dqn).state, saved)
    assert int(Checkpointer.load(tmp_path / "counter", counter).state[0]["count"]) == 0


def test_an_error_in_the_background_comes_with_the_next_call(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    counter = Counter()
    checkpointer = Checkpointer(tmp_path / "taken", background=True)
    checkpointer.save(counter, counter.init(None))
    with pytest.raises(CheckpointError, match="could not be written"):
        checkpointer.wait()
    checkpointer.wait()  # reported once
    checkpointer.save(counter, counter.init(None))
    while checkpointer.busy:
        time.sleep(0.001)
    (tmp_path / "taken").unlink()
    with pytest.raises(CheckpointError, match="could not be written"):
        checkpointer.save(counter, counter.init(None))
    checkpointer.save(counter, counter.init(None))
    checkpointer.wait()
    assert checkpointer.newest == tmp_path / "taken" / "checkpoint-000001"


def test_a_state_goes_on_under_other_hyperparameters(tmp_path: Path, trained) -> None:
    dqn, state, _ = trained
    Checkpointer(tmp_path).save(dqn, state)
    other = small_dqn(buffer_prio_sampling=False, buffer_size=1000, learning_rate=1e-4)
    loaded = Checkpointer.load(tmp_path, other).state
    assert same_bits(loaded, state)
    other.train(*loaded, 80, 1, 2)


def cartpole(n_envs: int = 2, **env_kwargs: Any) -> DQN:
    """A DQN for which nothing is compiled."""
    return small_dqn(make_env("gymnax", "CartPole-v1", n_envs, env_kwargs=env_kwargs))


OTHERS = {
    "n_envs": (lambda: small_dqn(Walk(2)), "environment: n_envs is 4 there and 2 here"),
    "name": (
        lambda: small_dqn(TwoSteps()),
        "environment: name is 'Walk' there and 'TwoSteps' here",
    ),
    "network": (
        lambda: small_dqn(hidden_size=16),
        "network: hidden_size is 8 there and 16 here",
    ),
    "framework": (cartpole, "environment: name is 'Walk' there and 'CartPole-v1' here"),
    "algorithm": (Counter, "was saved by dqn, but this is counter"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_something_else_is_refused_with_the_reason(
    other: str, tmp_path: Path, trained
) -> None:
    dqn, state, _ = trained
    make, reason = OTHERS[other]
    path = Checkpointer(tmp_path).save(dqn, state)
    for load in (Checkpointer.load, Checkpointer.load_buffer):
        with pytest.raises(CheckpointError, match=reason) as error:
            load(tmp_path, make())
        assert str(path) in str(error.value)


def test_settings_of_the_environment_must_agree(tmp_path: Path) -> None:
    dqn = cartpole(max_steps_in_episode=100)
    Checkpointer(tmp_path, "global_step").save(dqn, small_state(dqn))
    Checkpointer.load(tmp_path, cartpole(max_steps_in_episode=100), small_state(dqn))
    with pytest.raises(CheckpointError, match=r"env_kwargs is \{'max_steps_in_episode': 100\}"):
        Checkpointer.load(tmp_path, cartpole())


class LaterCounter(Counter):
    """The same algorithm in a later version with another hyperparameter."""

    def __init__(self) -> None:
        super().__init__()
        self.hpo_config = {"by": 0.5, "from": 3}

    @staticmethod
    def hyperparameters() -> Declarations:
        return {**Counter.hyperparameters(), "from": whole(0, 9, 3, name="from", since=3)}


LaterCounter.__abstractmethods__ = frozenset()


def test_a_hyperparameter_that_came_later_does_not_matter(tmp_path: Path) -> None:
    counter = Counter()
    runner_state, _ = counter.init(None)
    runner_state["count"] += 4
    Checkpointer(tmp_path).save(counter, (runner_state, ()))
    assert Checkpointer.load(tmp_path, LaterCounter()).state[0]["count"] == 4


def test_a_hyperparameter_that_is_not_known_yet_is_named(tmp_path: Path) -> None:
    later = LaterCounter()
    Checkpointer(tmp_path).save(later, later.init(None))
    with pytest.raises(CheckpointError, match="by a newer version of arlbench, which knows from"):
        Checkpointer.load(tmp_path, Counter())


def test_where_nothing_was_saved_nothing_is_loaded(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match="No checkpoint was found in"):
            Checkpointer.load(path, Counter())


def test_a_checkpoint_of_no_algorithm_is_refused(tmp_path: Path) -> None:
    checkpoint_folder.write_checkpoint(tmp_path / "other", {"a": np.zeros(2)}, {})
    with pytest.raises(CheckpointError, match="not a checkpoint of an algorithm's state"):
        Checkpointer.load(tmp_path / "other", Counter())


def test_as_many_checkpoints_stay_as_are_to_be_kept(tmp_path: Path) -> None:
    counter = Counter()
    checkpointer = Checkpointer(tmp_path, keep=2)
    for _ in range(4):
        checkpointer.save(counter, counter.init(None))
    assert {path.name for path in tmp_path.iterdir()} == {
        "newest", "checkpoint-000003", "checkpoint-000004",
    }  # fmt: skip
    assert Checkpointer.load(tmp_path / "checkpoint-000003", counter).info == {}


def test_parts_can_be_checked_before_anything_is_trained(tmp_path) -> None:
    dqn = small_dqn()
    with pytest.raises(ConfigurationError, match=r"no part called 'parms'. Did you mean 'params'"):
        Checkpointer(tmp_path / "new", ["parms"], algorithm=dqn)
    assert not (tmp_path / "new").exists()
    for names in (["params", "buffer"], "all", "state", ["loss", "trajectories"]):
        Checkpointer(tmp_path / "new", names, algorithm=dqn)
