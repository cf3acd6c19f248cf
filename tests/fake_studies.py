"""Studies without training: results that depend on nothing but configuration, seed and length."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.population import MemberResult, PopulationProgress
from arlbench.population.handover import Handover
from arlbench.tuning import Result, Space, Trial, Tuner, tune
from arlbench.tuning.loop import StudyOutcome
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class

#: Nine evaluations of a hundred steps each.
PROBLEM = Problem(
    EnvSpec("gymnax", "CartPole-v1", n_envs=4),
    hpo_config={"learning_starts": 10, "buffer_size": 1024},
    n_total_timesteps=900,
    n_eval_steps=9,
    n_eval_episodes=2,
)

#: Two hyperparameters, the second of which counts only at a value of a third.
WORDS = {
    "learning_rate": "1e-5..1e-2",
    "use_target_network": "true,false",
    "tau": "0.1..1",
}

#: All else is fixed.
FIXED = PROBLEM.replace(hpo_config=PROBLEM.resolve())

#: The package that a tuner needs besides those that are always installed.
NEEDS = {
    **dict.fromkeys(("tpe", "cmaes", "qmc"), "optuna"),
    **dict.fromkeys(("smac", "smac_hyperband"), "smac"),
    "gp": "torch",
}

#: Rates above this diverge in the middle of their call.
DIVERGING_RATE = 5e-3


class Interrupted:
    """What a study reads of a population's result."""

    def __init__(self, interrupted: bool) -> None:
        self.interrupted = interrupted


def quality(config: Any) -> float:
    """The return of a whole training: best at a rate of 1e-3."""
    return float(100 - 20 * abs(np.log10(config["learning_rate"]) + 3))


class FakePopulation:
    """A stand-in for ``train_population``.

    Args:
        stop_after: Members after which it is interrupted; None never is.
        order: In which members end, 1 or -1.
        kill: Called before each member ends, with how many have.

    Attributes:
        calls: The configurations of each call.
        lengths: Environment steps of the configurations of each call.
        n_members: That have ended.
    """

    def __init__(
        self,
        stop_after: int | None = None,
        order: int = 1,
        kill: Callable[[int], None] | None = None,
    ) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.lengths: list[list[int]] = []
        self.n_members = 0
        self._stop_after, self._order, self._kill = stop_after, order, kill

    def __call__(
        self,
        problem: Problem,
        configs: Sequence[dict[str, Any]],
        seeds: Sequence[int],
        *,
        n_total_timesteps: Sequence[int],
        timesteps_before: Sequence[int],
        n_eval_steps: Sequence[int],
        handovers: Any,
        on_member: Callable[[MemberResult], None],
        on_progress: Callable[[PopulationProgress], bool | None] | None,
        feed: Any = None,
        **_: Any,
    ) -> Interrupted:
        progress = on_progress or (lambda _: False)
        self.calls.append(list(configs))
        self.lengths.append(list(n_total_timesteps))
        columns = [configs, n_total_timesteps, timesteps_before, n_eval_steps]
        trained = list(zip(*columns, strict=True))
        handed = dict(handovers)
        waiting = [(i, j) for i in range(len(configs)) for j in range(len(seeds))]
        waiting = waiting[:: self._order]
        for done in itertools.count():
            if not waiting:
                return Interrupted(False)
            at = PopulationProgress(done, done + len(waiting), 0, 1, 0, 1, False, {})
            if self.n_members == self._stop_after or progress(at):
                return Interrupted(True)
            i, j = waiting.pop(0)
            if self._kill is not None:
                self._kill(self.n_members)
            self._hand_over(handed.get((i, j)))
            self.n_members += 1
            config, *length = trained[i]
            on_member(_member(problem, config, (i, j), seeds[j], *length))
            for joined in () if feed is None else feed():
                i = len(trained)
                trained.append(
                    (joined.config, joined.n_total_timesteps, joined.timesteps_before,
                     joined.n_eval_steps)
                )  # fmt: skip
                handed |= {(i, j): handover for j, handover in enumerate(joined.handovers)}
                waiting += [(i, j) for j in range(len(seeds))]
        raise AssertionError

    def _hand_over(self, handover: Handover | None) -> None:
        """Looks for the states with which a member begins, and leaves its own."""
        if handover is not None:
            for begin in filter(None, (handover.begin, handover.network)):
                assert (begin / "state").exists()
            if handover.end is not None:
                handover.end.mkdir(parents=True, exist_ok=True)
                (handover.end / "state").write_text("x" * 1024)


def _member(
    problem: Problem,
    config: Any,
    member: tuple[int, int],
    seed: int,
    length: int,
    before: int,
    n_evaluations: int,
) -> MemberResult:
    timesteps = length * np.arange(1, n_evaluations + 1) // n_evaluations
    share = (before + timesteps) / problem.n_total_timesteps
    returns = np.repeat(quality(config) * share[:, None], problem.n_eval_episodes, axis=1)
    returns += np.random.default_rng(seed).normal()
    diverged = config["learning_rate"] > DIVERGING_RATE
    if diverged:
        returns[-1] = np.nan
    return MemberResult(
        config_index=member[0],
        seed_index=member[1],
        status="diverged" if diverged else "finished",
        returns=returns.astype(np.float32),
        timesteps=timesteps,
        diverged_at=int(timesteps[-1]) - 4 if diverged else None,
        divergence="",
        train_seconds=1.0,
        compile_seconds=0.0,
        statistics=None,
        params=None,
        parts=None,
    )


def study(
    folder: Path, tuner: str | type[Tuner] = "random", train: Any = None, **settings: Any
) -> StudyOutcome:
    """A study of two seeds without training, whose test has two more."""
    given = {"words": WORDS, "n_trials": 8, "parallel": 4, "seeds": (0, 1), "test_seeds": (100,)}
    given |= settings
    problem = given.pop("problem", FIXED)
    return tune(problem, tuner, folder=folder, train=train or FakePopulation(), **given)


def numbers(outcome: StudyOutcome) -> list[tuple[int, dict[str, Any], float, int]]:
    """What of a study must not depend on how it was run: trials and their results."""
    return [(r.number, dict(r.trial.config), r.score, r.cost) for r in outcome.results]


def space(words: dict[str, str] | None = None, problem: Problem = FIXED) -> Space:
    """The space of these studies."""
    return Space(problem, WORDS if words is None else words)


def played(
    name: str, n: int, rounds: int, score: Callable[[Trial], float], seed: int = 0, **settings: Any
) -> list[Result]:
    """The results of a tuner that is asked for up to ``n`` trials, again and again."""
    tuner = make_tuner(tuner_class(name), space(), seed, settings)
    total = FIXED.n_total_timesteps
    results: list[Result] = []
    for _ in range(rounds):
        asked = tuner.ask(n)
        if not asked:
            break
        told = []
        for number, trial in enumerate(asked, start=len(results)):
            whole = trial._replace(number=number, fidelity=trial.fidelity or total)
            at = np.array([whole.fidelity])
            told.append(Result(whole, "finished", np.zeros((1, 1)), at, score(whole), 0, 0.0))
        tuner.tell(told)
        results += told
    return results
