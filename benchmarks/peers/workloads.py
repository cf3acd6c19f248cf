"""The workloads: the jobs for every peer, and how they are compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import designs

#: The parts that ``--only`` names.
PARTS = {
    "a": "one run, 8 environments, one update per 8 environment steps",
    "b": "one run, 1 environment, one update per environment step",
    "c": "a sweep of 64 configurations, and how it scales with cores",
    "d": "the published CartPole settings, 32 configurations",
    "e": "cost against buffer size, uniform and prioritised",
    "f": "number of compilations",
    "p": "populations on an accelerator, if one is visible",
}

#: Every hyperparameter has a value, so that the peers' defaults do not matter.
BASE: dict[str, Any] = {
    "buffer_size": 100_000, "buffer_batch_size": 64, "buffer_prio_sampling": False,
    "buffer_alpha": 0.9, "buffer_beta": 0.9, "buffer_epsilon": 1e-6,
    "learning_rate": 1e-3, "gamma": 0.99, "tau": 1.0,
    "initial_epsilon": 1.0, "target_epsilon": 0.05, "exploration_fraction": 0.1,
    "use_target_network": True, "target_update_interval": 500,
    "train_freq": 1, "gradient_steps": 1, "learning_starts": 1_000,
    "normalize_observations": False,
}  # fmt: skip

NETWORK = {"activation": "tanh", "hidden_size": 64}
ONE_EPISODE = {"evaluations": 1, "episodes": 1}

#: What a variant's seconds are: of a training without compilation, of the process from its
#: start to its end, or of a second call in a process that has compiled everything.
Measure = Literal["training", "process", "second call"]


@dataclasses.dataclass(frozen=True)
class Variant:
    """A job for a peer.

    Attributes:
        name: Its name in results and tables.
        peer: The peer that runs it.
        job: The job for its runner.
        cache: Variants of a round with the same value share a folder of compiled programs,
            which is empty for the first of them. Only this project keeps one.
        rounds: The largest number of rounds, if it takes long.
        sample_of: The number of configurations to which the job's time is extrapolated.
        accelerator: Whether it may run on an accelerator; peers are compared on the CPU.
    """

    name: str
    peer: str
    job: dict[str, Any]
    cache: str = ""
    rounds: int = 1_000
    sample_of: int | None = None
    accelerator: bool = False


@dataclasses.dataclass(frozen=True)
class Target:
    """How many times as long as the reference a variant should take: at least, and ideally."""

    least: float
    aim: float | None = None


@dataclasses.dataclass(frozen=True)
class Workload:
    """Variants that take turns. All others are compared with the first one."""

    key: str
    title: str
    measure: Measure
    variants: tuple[Variant, ...]
    targets: dict[str, Target] = dataclasses.field(default_factory=dict)
    rounds: int = 3
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Scale:
    """The sizes of the workloads: for real measurements, or to see that everything works."""

    a_timesteps: int = 100_000
    b_timesteps: int = 20_000
    c_timesteps: int = 100_000
    c_configs: int = 64
    c_sample: int = 4
    d_rows: int = 32
    d_timesteps: int = 50_000
    f_configs: int = 100
    f_timesteps: int = 20_000
    populations: tuple[int, ...] = (64, 256, 1024, 4096)


QUICK = Scale(4_000, 2_000, 6_400, 4, 2, 2, 5_120, 6, 4_000, (64,))


def _job(kind: str, configs: list[dict[str, Any]], **lengths: Any) -> dict[str, Any]:
    complete = [{**BASE, **config} for config in configs]
    return {"kind": kind, "configs": complete, "seed": 0, **NETWORK, **lengths}


# -- single runs -------------------------------------------------------------------------

_SINGLE_TARGETS = {"a": (1.2, 20.0, 10.0), "b": (1.0, 15.0, None)}


def _single(key: str, title: str, job: dict[str, Any], rejax_target: bool = True) -> Workload:
    published, sb3, rejax = _SINGLE_TARGETS[key[0]]
    targets = {"arlbench 0.1.3": Target(published), "stable-baselines3": Target(sb3)}
    if rejax is not None and rejax_target:
        targets["rejax"] = Target(rejax)
    variants = (
        Variant("this project", "ours", job, cache=key),
        Variant("arlbench 0.1.3", "published", job),
        Variant("stable-baselines3", "sb3", job),
        Variant("sbx", "sbx", job),
        Variant("rejax", "rejax", job),
    )
    return Workload(key, title, "training", variants, targets, rounds=5)


def part_a(scale: Scale) -> list[Workload]:
    """Measured twice, because the time of one peer depends on the size of its buffer."""
    workloads = []
    for key, rows in (("a", 100_000), ("a-10k", 10_000)):
        job = _job(
            "single",
            [{"buffer_size": rows}],
            n_envs=8,
            timesteps=scale.a_timesteps,
            trainings=3,
            **ONE_EPISODE,
        )
        title = f"{PARTS['a']}, {scale.a_timesteps:,} steps, a buffer of {rows:,} rows"
        workloads.append(_single(key, title, job))
    return workloads


def part_b(scale: Scale) -> list[Workload]:
    job = _job(
        "single",
        [{"buffer_size": 10_000}],
        n_envs=1,
        timesteps=scale.b_timesteps,
        trainings=3,
        **ONE_EPISODE,
    )
    title = f"{PARTS['b']}, {scale.b_timesteps:,} steps, a buffer of 10,000 rows"
    return [_single("b", title, job)]


# -- sweeps ------------------------------------------------------------------------------


def _sweep_job(scale: Scale, **more: Any) -> dict[str, Any]:
    configs = [{"train_freq": 4, **config} for config in designs.read_sweep()[: scale.c_configs]]
    lengths = {"timesteps": scale.c_timesteps, "evaluations": 1, "episodes": 10}
    return _job("sweep", configs, n_envs=8, **lengths, **more)


def part_c(scale: Scale) -> list[Workload]:
    job = _sweep_job(scale)
    sample = {**job, "configs": job["configs"][: scale.c_sample]}
    ours, n = {**job, "cores": "all"}, len(job["configs"])
    variants = [
        Variant("this project, cold cache", "ours", ours, cache="c"),
        Variant("this project, warm cache", "ours", ours, cache="c"),
        Variant("arlbench 0.1.3", "published", job),
    ]
    variants += [
        Variant(name, peer, sample, rounds=1, sample_of=n)
        for name, peer in (("stable-baselines3", "sb3"), ("sbx", "sbx"), ("rejax", "rejax"))
    ]
    title = f"a sweep of {n} configurations, {scale.c_timesteps:,} steps each"
    sweep = Workload(
        "c",
        title,
        "process",
        tuple(variants),
        {"arlbench 0.1.3": Target(15, 25)},
        note=(
            f"The last three were measured on {scale.c_sample} "
            "configurations in one process and extrapolated. They lack prioritised replay, so "
            "they used uniform replay instead."
        ),
    )
    return [sweep, _checked_work("c", title, ours), _cores(ours, n)]


def _cores(job: dict[str, Any], n: int) -> Workload:
    """The speed on one core and on all cores; on one core compilations are counted too."""
    variants = (
        Variant("all cores", "ours", {**job, "again": True}, cache="all"),
        Variant("one core", "ours", {**job, "again": True, "cores": 1}, cache="one"),
    )
    return Workload(
        "c-cores",
        f"the sweep of {n} configurations on all cores and on one, everything compiled",
        "second call",
        variants,
        {"one core": Target(1.8)},
    )


def _checked_work(key: str, title: str, job: dict[str, Any]) -> Workload:
    """Results of a sweep lack counters, so one sweep keeps its states for checking."""
    variant = Variant("this project", "ours", {**job, "keep_state": True}, cache=f"{key}-work")
    return Workload(f"{key}-work", f"work done in {title}", "process", (variant,), rounds=1)


def part_d(scale: Scale) -> list[Workload]:
    fixed = {
        "train_freq": 32,
        "gradient_steps": 128,
        # The package's default, if a row does not set it.
        "target_update_interval": 1_000,
    }
    configs = [{**fixed, **row} for row in designs.read_landscape()[: scale.d_rows]]
    lengths = {"timesteps": scale.d_timesteps, "evaluations": 10, "episodes": 128}
    job = _job("sweep", configs, n_envs=8, **lengths)
    ours = {**job, "cores": "all"}
    title = f"the published CartPole settings, {len(configs)} rows of the landscape"
    variants = (
        Variant("this project, cold cache", "ours", ours, cache="d"),
        Variant("this project, warm cache", "ours", ours, cache="d"),
        Variant("arlbench 0.1.3", "published", job),
    )
    targets = {"arlbench 0.1.3": Target(5, 8)}
    sweep = Workload("d", title, "process", variants, targets)
    return [sweep, _checked_work("d", title, ours)]


def part_f(scale: Scale) -> list[Workload]:
    """Counts compilations over the default space; those of (c) are counted in part (c)."""
    lengths = {"n_envs": 8, "timesteps": scale.f_timesteps, "evaluations": 1, "episodes": 1}
    job = _job("sweep", [], **lengths, default_space=scale.f_configs, cores=1)
    title = f"{scale.f_configs} configurations of the default space, {scale.f_timesteps:,} steps"
    variant = Variant("this project, one core", "ours", job, cache="f")
    return [Workload("f", title, "process", (variant,), rounds=1)]


def part_p(scale: Scale) -> list[Workload]:
    """Populations of the sweep's configurations, with enough seeds for the number of members."""
    job = _sweep_job(scale)
    n_configs = len(job["configs"])
    variants = tuple(
        Variant(
            f"{n} members",
            "ours",
            {**job, "seeds": list(range(n // n_configs))},
            cache=str(n),
            accelerator=True,
        )
        for n in scale.populations
    )
    note = "With a cold cache."
    return [Workload("p", PARTS["p"], "process", variants, note=note, rounds=1)]


BUILDERS: dict[str, Callable[[Scale], list[Workload]]] = {
    "a": part_a, "b": part_b, "c": part_c, "d": part_d, "f": part_f, "p": part_p,
}  # fmt: skip
