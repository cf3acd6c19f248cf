"""The parts that ``accelerator.py`` measures, one in each process; prints rows as lines of JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).with_name("landscape")))

import jax
import numpy as np
import published
from scipy.stats import spearmanr

from accelerator_batches import CAPACITY, TimedBatch, as_accelerator, set_compiler_options
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.population import PopulationProgress, PopulationResult, train_population
from arlbench.population.rounds import Rounds

Row = dict[str, Any]

#: One update for each step of all environments.
CONFIG: dict[str, Any] = {
    "buffer_size": 10_000,
    "buffer_batch_size": 64,
    "train_freq": 1,
    "gradient_steps": 1,
    "learning_starts": 1_000,
}

N_ENVS = 8

#: The range of the members' learning rates.
LEARNING_RATES = 1e-4, 1e-2

#: Seconds between two reports of the progress of a population.
PROGRESS_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Scale:
    """The sizes of the measurements.

    Attributes:
        few: Members of a small population.
        some: Members of a population between the small and the large one.
        many: Members of a large population.
        most: Members of the largest population.
        hidden_size: Units of a layer.
        timing_seconds: Length of one timing.
        timesteps: Environment steps of each member of the large population.
        timesteps_of_most: Environment steps of each member of the largest population.
        landscape_timesteps: Environment steps of each published configuration.
        n_configs: Published configurations.
        n_seeds: Seeds of each published configuration.
    """

    few: int = 64
    some: int = 256
    many: int = 1_024
    most: int = 4_096
    hidden_size: int = 64
    timing_seconds: float = 0.4
    timesteps: int = 1_000_000
    timesteps_of_most: int = 100_000
    landscape_timesteps: int = published.TIMESTEPS
    n_configs: int = 256
    n_seeds: int = published.N_SEEDS


#: To see that it works, on any machine.
QUICK = Scale(2, 3, 4, 5, 8, 0.01, 4_096, 2_048, 1_024, 4, 1)


class Part(NamedTuple):
    """The information that a part gets.

    Attributes:
        scale: The sizes of its measurements.
        ends: The time at which it will be stopped, on the clock of ``time.time``.
    """

    scale: Scale
    ends: float

    @property
    def left(self) -> float:
        """Seconds until it is stopped."""
        return self.ends - time.time()


def problem(scale: Scale, env: str = "CartPole-v1", **changed: Any) -> Problem:
    """The problem of the members, by default with 10 evaluations of 10 episodes."""
    is_grid = env != "CartPole-v1"
    config = {**CONFIG, "buffer_batch_size": 32 if is_grid else 64}
    return Problem(
        EnvSpec("gymnax", env, n_envs=N_ENVS, cnn_policy=is_grid),
        **{"hpo_config": config, "nas_config": {"hidden_size": scale.hidden_size}, **changed},
    )


def configs(n_members: int) -> list[dict[str, Any]]:
    """One learning rate for each member."""
    return [{"learning_rate": float(x)} for x in np.geomspace(*LEARNING_RATES, n_members)]


def uniform(part: Part) -> Iterator[Row]:
    """Uniform replay: many members, few, and a number between."""
    scale = part.scale
    yield from training(part, problem(scale), (scale.many, scale.few), profile=True)
    yield from training(part, problem(scale), (scale.some,))


def uniform_most(part: Part) -> Iterator[Row]:
    """The largest population."""
    yield from training(part, problem(part.scale), (part.scale.most,))


def prioritised(part: Part) -> Iterator[Row]:
    """Prioritised replay."""
    hpo_config = {**CONFIG, "buffer_prio_sampling": True}
    prioritised = problem(part.scale, hpo_config=hpo_config)
    yield from training(part, prioritised, (part.scale.many,), profile=True)
    yield from training(part, prioritised, (part.scale.few,))


def grid(part: Part) -> Iterator[Row]:
    """A convolution over a grid of cells."""
    minatar = problem(part.scale, "Breakout-MinAtar")
    yield from training(part, minatar, (part.scale.few, part.scale.many))


def wide(part: Part) -> Iterator[Row]:
    """Layers that are too wide for the kernel that computes a whole gradient step."""
    of_units = problem(part.scale, nas_config={"hidden_size": 4 * part.scale.hidden_size})
    yield from training(part, of_units, (part.scale.some,))


def training(
    part: Part, problem: Problem, sizes: tuple[int, ...], profile: bool = False
) -> Iterator[Row]:
    """Batches without evaluations: compilation, speed and, if asked for, a profile."""
    for n_members in sizes:
        batch = TimedBatch(problem, configs(n_members))
        yield {"members": n_members, **batch.compile(), **batch.speed(part.scale.timing_seconds)}
        if profile:
            yield {"members": n_members, "profile": batch.profile()}


def end_to_end(part: Part) -> Iterator[Row]:
    """``train_population`` with many members, and a second time if enough time is left."""
    trained = problem(part.scale, n_total_timesteps=part.scale.timesteps)
    row = whole_call(trained, part.scale.many)
    yield {"call": "first", **row}
    if row["wall_seconds"] - row["compile_seconds"] < 0.9 * part.left:
        yield {"call": "second", **whole_call(trained, part.scale.many)}


def population_most(part: Part) -> Iterator[Row]:
    """``train_population`` with the largest population."""
    trained = problem(part.scale, n_total_timesteps=part.scale.timesteps_of_most)
    yield {"call": "first", **whole_call(trained, part.scale.most)}


def whole_call(problem: Problem, n_members: int) -> Row:
    """A population from the call to its results."""
    result = train(problem, configs(n_members), [0], init_options={"capacity": CAPACITY})
    final = result.returns[:, :, -1].mean()
    return {"members": n_members, **_cost(result), "final_return": float(final)}


def train(problem: Problem, *members: Any, **options: Any) -> PopulationResult:
    """``train_population`` in batches, even on a CPU."""
    return train_population(problem, *members, placement="batched", **options)


def _cost(result: PopulationResult) -> Row:
    steps = sum(int(member.timesteps[-1]) for member in result.members)
    return {
        "wall_seconds": result.wall_seconds,
        "compile_seconds": result.compile_seconds,
        "steps_per_second": steps / result.wall_seconds,
        "diverged": int((result.status == "diverged").sum()),
    }


def planning(part: Part) -> Iterator[Row]:
    """Seconds from the call until the largest population starts to train, twice."""

    class BeginsError(Exception):
        pass

    def begin(self: Rounds) -> None:
        raise BeginsError

    Rounds.train = begin  # type: ignore[method-assign]
    # Compilation in the meantime does not count as planning.
    Rounds.compilations = lambda self: []  # type: ignore[method-assign]
    for call in ("first", "second"):
        since, processor = time.perf_counter(), time.process_time()
        try:
            whole_call(problem(part.scale), part.scale.most)
        except BeginsError:
            yield {
                "call": call,
                "members": part.scale.most,
                "planning_seconds": time.perf_counter() - since,
                "processor_seconds": time.process_time() - processor,
            }


def landscape(part: Part) -> Iterator[Row]:
    """The published configurations, compared with their published returns."""
    scale, rows = part.scale, published.read_published()
    chosen = range(0, len(rows.configs), len(rows.configs) // scale.n_configs)
    fixed = {**published.FIXED, "hidden_size": scale.hidden_size}
    trained = problem(
        scale,
        n_total_timesteps=scale.landscape_timesteps,
        n_eval_steps=published.N_EVALUATIONS,
        n_eval_episodes=published.N_EPISODES,
        hpo_config={},
        nas_config={name: fixed.pop(name) for name in ("activation", "hidden_size")},
    )
    members = [{**fixed, **rows.configs[i]} for i in chosen]
    result = train(trained, members, list(range(scale.n_seeds)), on_progress=tell_progress())
    final = np.nan_to_num(result.returns[:, :, -1].mean(axis=(1, 2)))
    yield {
        "members": final.size * scale.n_seeds,
        **_cost(result),
        "programs": result.n_groups,
        "spearman": float(spearmanr(rows.returns[list(chosen)], final).statistic),
        "mean_difference": float((final - rows.returns[list(chosen)]).mean()),
    }


def tell_progress() -> Callable[[PopulationProgress], None]:
    """Shows a population's progress every few seconds, in case it is stopped."""
    since = last = time.time()

    def tell(progress: PopulationProgress) -> None:
        nonlocal last
        if time.time() - last > PROGRESS_SECONDS:
            last = time.time()
            share = progress.timesteps / progress.total_timesteps
            show({"done": share, "seconds": last - since, "groups_done": progress.groups_done})

    return tell


#: The parts by name, with the most important first.
PARTS: Mapping[str, Callable[[Part], Iterator[Row]]] = {
    "uniform": uniform,
    "prioritised": prioritised,
    "end-to-end": end_to_end,
    "landscape": landscape,
    "uniform-most": uniform_most,
    "grid": grid,
    "wide": wide,
    "planning": planning,
    "population-most": population_most,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--seconds", type=float, default=300.0, help="when it will be stopped")
    parser.add_argument("--begun", type=float, default=time.time(), help="when it was started")
    parser.add_argument("--timesteps", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--as-accelerator", action="store_true")
    parser.add_argument("--compiler-options", type=json.loads, default={})
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else Scale()
    if arguments.timesteps is not None:
        scale = dataclasses.replace(scale, timesteps=arguments.timesteps)
    if arguments.as_accelerator:
        as_accelerator()
    set_compiler_options(arguments.compiler_options)
    device = jax.local_devices()[0]
    show({"device": device.device_kind, "start_seconds": time.time() - arguments.begun})
    for row in PARTS[arguments.part](Part(scale, arguments.begun + arguments.seconds)):
        show(row)


def show(row: Row) -> None:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
