"""Another algorithm can be trained everywhere, without a change to any file of the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probe_framework  # noqa: F401  (makes the framework "tiny" known)
from arlbench.autorl import AutoRLEnv, AutoRLVectorEnv, Checkpointer
from arlbench.core.algorithms import registry
from arlbench.core.algorithms.registry import algorithm_class, register_algorithm
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ArlbenchError, CheckpointError, ConfigurationError, DivergenceError
from arlbench.experiments.agents import find_agents, load_agent
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.folder import SweepFolder, read_rows
from arlbench.experiments.playing import make_player
from arlbench.experiments.run import train_run
from arlbench.experiments.run_folder import RunFolder, Saving
from arlbench.experiments.run_settings import resolve
from arlbench.experiments.samplers import sampler_class
from arlbench.experiments.training import train_missing
from in_process import arlbench
from probes import FinalObservation, FixedPacer, OneStep, TwoSteps, Walk, same_bits
from tabular_q import HYPERPARAMETERS, TabularQ

#: The rows of the probes' observations in a table of 20 bins from -10 to 10.
LOW, HIGH = 9, 11

LENGTH = {"n_total_timesteps": 160, "n_eval_steps": 2, "n_eval_episodes": 3}
TWO_STEPS = EnvSpec("tiny", "TwoSteps", 2)
WALK = EnvSpec("tiny", "Walk", 4)

#: A value for every traced hyperparameter that differs from its default.
CHANGED = {
    "step_size": 0.7, "discount": 0.85, "exploration": 0.5, "fades": True,
    "least_exploration": 0.1, "sweep_length": 3,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_ALGORITHMS", dict(registry._ALGORITHMS))
        register_algorithm("tabular_q", "tabular_q", "TabularQ")
        yield


def problem(spec: EnvSpec = WALK, **changed: Any) -> Problem:
    return Problem(spec, algorithm="tabular_q", **{**LENGTH, **changed})


def trained(algorithm: Any, seed: int = 0, **changed: Any) -> Any:
    """State and result of a whole training."""
    return algorithm.train(*algorithm.init(jax.random.key(seed)), **{**LENGTH, **changed})


def single(config: dict[str, Any], seed: int, spec: EnvSpec = WALK, **changed: Any) -> Any:
    return trained(problem(spec).make_algorithm(config), seed, **changed)


# Values.


def test_a_greedy_learner_moves_halfway_at_every_step() -> None:
    config = {"step_size": 0.5, "exploration": 0.0, "discount": 0.5, "sweep_length": 1}
    for n, value in ((1, 0.5), (2, 0.75), (3, 0.875)):
        (runner, _), _ = trained(TabularQ(config, OneStep(1)), n_total_timesteps=n)
        assert runner.table[LOW].tolist() == [value, 0.0]
    # To HIGH with 0, from there 1/2, back with 1/2 * 1/2 * 1/2, from there 3/4.
    (runner, _), _ = trained(TabularQ(config, TwoSteps(1)), n_total_timesteps=4)
    assert runner.table[LOW].tolist() == [0.125, 0.0]
    assert runner.table[HIGH].tolist() == [0.75, 0.0]
    assert int(runner.global_step) == 4


def test_values_beyond_a_time_limit_are_learnt() -> None:
    env = FinalObservation()
    config = {"step_size": 0.5, "exploration": 1.0, "discount": 0.9}
    (runner, _), result = trained(TabularQ(config, env), n_total_timesteps=2000)
    for row, values in zip((LOW, HIGH), env.values(0.9).values(), strict=True):
        np.testing.assert_allclose(runner.table[row], values, rtol=1e-6)
    assert result.eval_rewards.shape == (2, 3)


@pytest.mark.thorough
@pytest.mark.parametrize("on_policy", [False, True])
def test_the_table_is_what_the_recorded_steps_teach(on_policy: bool) -> None:
    config = {**CHANGED, "on_policy": on_policy}
    algorithm = TabularQ(config, Walk(), track_trajectories=True, track_metrics=True, optimism=0.5)
    (runner, _), result = trained(algorithm)
    table, errors = np.full((400, 2), 0.5), []
    # 14 iterations of 3 vector steps with 4 environments reach 160 steps.
    assert result.trajectories.reward.shape == result.metrics.shape == (42, 4)
    for t in range(42):
        epsilon = max(0.5 * (1 - 4 * t / 160), 0.1)
        for i in range(4):
            step = jax.tree.map(lambda leaf: leaf[t, i].item(), result.trajectories)  # noqa: B023
            after = table[step.next_state]
            mixed = (1 - epsilon) * after.max() + epsilon * after.mean()
            value = mixed if on_policy else after.max()
            target = step.reward + (0.0 if step.terminated else 0.85 * value)
            errors.append(target - table[step.state, step.action])
            table[step.state, step.action] += 0.7 * errors[-1]
    np.testing.assert_allclose(runner.table, table, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.metrics.ravel(), errors, rtol=1e-4, atol=1e-5)


def test_divergence_names_the_cure() -> None:
    with pytest.raises(DivergenceError, match=r"lower step_size \(now 1e\+30\)"):
        trained(TabularQ({"step_size": 1e30}, Walk()))


# Programs.


def test_a_traced_change_compiles_nothing(count_compilations: Any) -> None:
    algorithm = TabularQ({}, Walk())
    trained(algorithm)
    traced = {name for name, declared in HYPERPARAMETERS.items() if not declared.structural}
    assert CHANGED.keys() == traced
    algorithm.update_hpo_config(CHANGED)
    with count_compilations() as counter:
        trained(algorithm, seed=1)
        trained(TabularQ({}, Walk()))
    assert counter.names == []
    algorithm.update_hpo_config({"on_policy": True})
    with count_compilations() as counter:
        trained(algorithm)
    assert counter.names == ["jit(run_segment)"]


def test_results_do_not_depend_on_how_a_run_is_cut() -> None:
    whole, cut = TabularQ(CHANGED, Walk()), TabularQ(CHANGED, Walk())
    cut._pacer = FixedPacer(3, 1)
    assert same_bits(trained(whole), trained(cut))


@pytest.mark.thorough
def test_hyperparameters_may_be_tracers() -> None:
    rates, lengths = jnp.array([0.1, 0.5, 1.0]), jnp.array([1, 3, 4])

    @jax.jit
    @jax.vmap
    def train(step_size: jax.Array, sweep_length: jax.Array, seed: jax.Array) -> Any:
        config = {"step_size": step_size, "sweep_length": sweep_length}
        algorithm = TabularQ(config, Walk())
        state = algorithm.init(jax.random.key(seed))
        (runner, _), result = algorithm.train(*state, **LENGTH)
        return runner.table, runner.global_step, result.eval_rewards

    tables, steps, returns = train(rates, lengths, jnp.arange(3))
    assert steps.tolist() == [40, 42, 40]
    for i in range(3):
        config = {"step_size": rates[i].item(), "sweep_length": lengths[i].item()}
        (runner, _), result = trained(TabularQ(config, Walk()), seed=i)
        np.testing.assert_allclose(tables[i], runner.table, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(returns[i], result.eval_rewards, rtol=1e-4, atol=1e-5)


def test_what_a_tracer_may_not_be_is_refused() -> None:
    def recorded(sweep_length: jax.Array) -> Any:
        config = {"sweep_length": sweep_length}
        return trained(TabularQ(config, Walk(), track_metrics=True))[1].metrics

    with pytest.raises(ConfigurationError, match="track_metrics=False"):
        jax.jit(recorded)(2)
    with pytest.raises(ConfigurationError, match="on_policy shapes the compiled program"):
        jax.jit(lambda flag: TabularQ({"on_policy": flag}, Walk()).hp.step_size)(True)
    with pytest.raises(ConfigurationError, match="read-only"):
        TabularQ({}, Walk()).hpo_config["step_size"] = 0.5


# Checkpoints.


def test_a_checkpoint_is_continued_exactly(tmp_path: Path) -> None:
    whole, _ = single(CHANGED, 0, n_total_timesteps=96)
    algorithm = problem().make_algorithm({**CHANGED, "on_policy": False})
    half, result = trained(algorithm, n_total_timesteps=48, schedule_timesteps=96)
    path = Checkpointer(tmp_path).save(algorithm, half, result)
    loaded = Checkpointer.load(path, algorithm)
    assert same_bits(loaded.state, half)
    assert loaded.state[1] == ()
    assert same_bits(loaded.parts["eval_rewards"], result.eval_rewards)
    rest, _ = algorithm.train(*loaded.state, **{**LENGTH, "n_total_timesteps": 48},
                              schedule_timesteps=96)  # fmt: skip
    assert same_bits(rest, whole)


def test_there_is_no_buffer_to_save(tmp_path: Path) -> None:
    algorithm = problem().make_algorithm()
    state = algorithm.init(jax.random.key(0))
    with pytest.raises(ConfigurationError, match="tabular_q has no buffer to save"):
        Checkpointer(tmp_path).save_buffer(algorithm, state[1])
    with pytest.raises(ConfigurationError, match=r"no part called 'buffer'.*The parts are: rng"):
        Checkpointer(tmp_path, ["buffer"]).save(algorithm, state)
    path = Checkpointer(tmp_path, ["table"]).save(algorithm, state)
    with pytest.raises(CheckpointError, match="holds no buffer"):
        Checkpointer.load_buffer(path, algorithm)
    other = problem(nas_config={"n_bins": 5}).make_algorithm()
    with pytest.raises(CheckpointError, match="n_bins is 20 there and 5 here"):
        Checkpointer.load(path, other)


# AutoRLEnv.

TINY = {
    "algorithm": "tabular_q", "env_framework": "tiny", "env_name": "Walk", "n_envs": 4,
    "nas_config": {"n_bins": 10}, "n_steps": 3, "n_total_timesteps": 160, "n_eval_steps": 2,
    "n_eval_episodes": 3, "state_features": ["td_error_info", "return_history"],
    "objectives": ["reward_mean", "reward_auc"],
}  # fmt: skip
ACTIONS = [{"step_size": 0.5}, {"fades": True, "least_exploration": 0.1}, {"on_policy": True}]


def schedule(env: Any, actions: list[Any]) -> list[Any]:
    env.reset(seed=5)
    return [env.step(action) for action in actions]


@pytest.mark.thorough
def test_it_is_configured_while_it_learns(tmp_path: Path) -> None:
    env = AutoRLEnv({**TINY, "checkpoint": ["all"], "checkpoint_dir": str(tmp_path)})
    steps = schedule(env, ACTIONS)
    assert [obs["steps"].tolist() for obs, *_ in steps] == [[1, 160], [2, 320], [3, 480]]
    assert all((obs["td_error_info"] > 0).all() for obs, *_ in steps)
    assert [truncated for *_, truncated, _ in steps] == [False, False, True]
    assert env.hpo_config["step_size"] == 0.5
    means = [objectives["reward_mean"] for _, objectives, *_ in steps]
    np.testing.assert_allclose(steps[-1][0]["return_history"], means, rtol=1e-6)
    assert env.action_space.contains(env.action_space.sample())
    # From the second step's checkpoint, the third step gives the same result.
    again = AutoRLEnv(TINY)
    again.reset(seed=6)
    obs, objectives, *_ = again.step(ACTIONS[2], checkpoint_path=env.checkpoints[1])
    assert objectives == steps[2][1]
    for name, value in obs.items():
        np.testing.assert_array_equal(value, steps[2][0][name])


@pytest.mark.thorough
def test_many_are_configured_while_they_learn() -> None:
    vector = AutoRLVectorEnv(2, TINY)
    vector.reset(seed=5)
    together = [vector.step([action, {}]) for action in ACTIONS]
    for one, other in zip(schedule(AutoRLEnv(TINY), ACTIONS), together, strict=True):
        for name, value in one[0].items():
            np.testing.assert_array_equal(other[0][name][0], value)
        assert {name: values[0] for name, values in other[1].items()} == one[1]
        assert other[4]["train_info_df"][0].equals(one[4]["train_info_df"])


@pytest.mark.parametrize("kind", [AutoRLEnv, lambda config: AutoRLVectorEnv(2, config)])
def test_what_it_does_not_have_is_refused(kind: Any) -> None:
    wrong = {
        "needs the grad_norm of each update": {"state_features": ["grad_info"]},
        "has no option cnn_policy": {"cnn_policy": True},
        "Unknown hyperparameter": {"nas_config": {"n_rows": 8}},
    }
    for sentence, change in wrong.items():
        with pytest.raises(ArlbenchError, match=sentence):
            kind({**TINY, **change})


# Experiments.


def test_a_sweep_keeps_what_single_runs_return(tmp_path: Path) -> None:
    words = {"step_size": "0.1,0.5", "n_bins": "10,20"}
    trials = sampler_class("grid")(problem(), words).ask(4)
    experiment = Experiment(problem(), tuple(trial.config for trial in trials), (3, 4))
    with SweepFolder(tmp_path, experiment) as folder:
        assert train_missing(folder).members_trained == 8
        assert folder.missing() == []
    rows = read_rows(tmp_path).to_pylist()
    assert [(row["step_size"], row["n_bins"], row["seed"], row["timesteps"]) for row in rows] == [
        (step_size, n_bins, seed, timesteps)
        for step_size in (0.1, 0.5)
        for n_bins in (10, 20)
        for seed in (3, 4)
        for timesteps in (80, 160)
    ]
    _, result = single({"step_size": 0.5, "n_bins": 20}, 4)
    kept = np.array([row["episode_returns"] for row in rows[-2:]], np.float32)
    assert same_bits(kept, np.asarray(result.eval_rewards))


def test_a_run_is_stopped_and_resumed_exactly_and_its_agents_play(tmp_path: Path) -> None:
    settings = resolve(
        WALK, {**CHANGED, "fades": False}, algorithm="tabular_q", n_seeds=2,
        **{**LENGTH, "n_total_timesteps": 480},
    )  # fmt: skip

    def halfway(progress: Any) -> bool:
        members = progress.population.members.items()
        return any(m.seed_index == 1 and len(p.eval_rewards) == 1 for m, p in members)

    outcomes = {}
    for name, stop in (("whole", lambda _: False), ("stopped", halfway)):
        with RunFolder(tmp_path / name, settings, Saving(0.0)) as run:
            outcomes[name] = train_run(run, on_progress=stop, on_notice=print)
    assert [outcomes[name].status for name in outcomes] == ["finished", "interrupted"]
    with RunFolder(tmp_path / "stopped") as run:
        train_run(run, on_progress=lambda _: False, on_notice=print)
    files = [tmp_path / name / "evaluations.csv" for name in outcomes]
    assert files[0].read_bytes() == files[1].read_bytes()
    states = [
        single({**CHANGED, "fades": False}, seed, n_total_timesteps=480)[0] for seed in (0, 1)
    ]
    for folder in outcomes:
        stored = find_agents(tmp_path / folder)
        algorithm = stored.make_algorithm()
        play = make_player(algorithm, 4)
        for agent, (runner, _) in zip(stored.agents, states, strict=True):
            loaded = load_agent(algorithm, agent)
            assert same_bits(loaded.table, runner.table)
            assert same_bits(play(loaded, 0), play(runner, 0))
    with pytest.raises(ConfigurationError, match="Tabular Q cannot take random actions"):
        stored.make_algorithm(epsilon=0.1)


WORDS = [
    "TwoSteps", "--framework", "tiny", "--n-envs", "2", "--timesteps", "200", "--seeds", "2",
    "--evaluations", "2", "--eval-episodes", "3",
]  # fmt: skip


@pytest.mark.parametrize("name", ["tabular_q", "tabular_q:TabularQ"])
def test_the_command_line_trains_and_evaluates_it(name: str, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    assert arlbench("train", *WORDS, "step_size=0.5", "--algorithm", name, "--out", out) == 0
    said = capsys.readouterr().err
    assert "Tabular Q on TwoSteps" in said
    assert "network: table of (20, 2)" in said.replace("\n", " ")
    stored = find_agents(out)
    assert stored.problem.resolve()["step_size"] == 0.5
    assert arlbench("evaluate", out, "--episodes", 4) == 0
    assert "1.00" in capsys.readouterr().out


def test_the_command_line_sweeps_it(tmp_path: Path) -> None:
    words = ["--sampler", "sobol", "--n-configs", "2", "step_size=0.1..0.9"]
    out = tmp_path / "sweep"
    assert arlbench("sweep", *WORDS, *words, "--algorithm", "tabular_q", "--out", out) == 0
    table = read_rows(out)
    assert table.schema.metadata[b"algorithm"] == b"Tabular Q"
    assert set(table.column("return_mean").to_pylist()) == {1.0}
    assert {*HYPERPARAMETERS, "n_bins"} <= set(table.column_names)
    assert (out / "landscape.png").exists()


def test_a_class_is_found_by_its_module() -> None:
    assert algorithm_class("tabular_q:TabularQ") is TabularQ
    whole = Problem(TWO_STEPS, algorithm="tabular_q:TabularQ", options={"optimism": 1.0})
    assert Problem.from_mapping(whole.to_mapping()) == whole
    assert float(whole.make_algorithm().init(jax.random.key(0))[0].table[0, 0]) == 1.0
    faults = {
        "tabular_p:TabularQ": "The algorithm 'tabular_p:TabularQ' cannot be imported .No module",
        "tabular_q:TabularP": "cannot be imported",
        "tabular_q:RunnerState": "is not an algorithm",
        "tabular_p": "Unknown algorithm 'tabular_p'. Did you mean",
    }
    for name, sentence in faults.items():
        with pytest.raises(ConfigurationError, match=sentence):
            algorithm_class(name)
    with pytest.raises(ConfigurationError, match="Unknown option"):
        dataclasses.replace(whole, options={"batch_sizes": (1,)})
