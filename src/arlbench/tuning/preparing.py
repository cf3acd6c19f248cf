"""Prepares studies: all that can be checked is checked before anything is written or trained."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arlbench.core import files
from arlbench.core.algorithms.declarations import positive
from arlbench.core.checks import as_python, finite, seed_in_range, true_or_false
from arlbench.core.problem import Problem
from arlbench.errors import ArlbenchError, ConfigurationError
from arlbench.experiments.config_spaces import Where
from arlbench.population import PopulationResult, train_population
from arlbench.tuning.asking import ANSWER_SECONDS, Asking
from arlbench.tuning.folder import Budget, StudyFolder, states_of
from arlbench.tuning.loop import Callbacks, Loop, StudyOutcome
from arlbench.tuning.objectives import Objective, name_of_objective
from arlbench.tuning.optuna_mirror import Mirror, name_there, require_storage
from arlbench.tuning.programs import Shared, shared_by_all
from arlbench.tuning.settings import StudySettings
from arlbench.tuning.space import Space
from arlbench.tuning.starting import Source, Start, read_start
from arlbench.tuning.trials import Result
from arlbench.tuning.tuner import TUNER_SEED, Tuner, make_tuner
from arlbench.tuning.tuners import DEFAULT_TUNER, name_of, short_name, tuner_class

#: The seeds of the test begin here; by default, tuning seeds are smaller.
FIRST_TEST_SEED = 100


@dataclasses.dataclass(frozen=True)
class OpenStudy:
    """A study whose folder this process holds.

    Attributes:
        prepared: The study.
        folder: Its folder.
        mirror: Its copy in Optuna; None if there is none.
    """

    prepared: PreparedStudy
    folder: StudyFolder
    mirror: Mirror | None

    def run(self, callbacks: Callbacks) -> StudyOutcome:
        """Trains what is left of it; may be called once."""
        of = self.prepared
        calls = callbacks._replace(on_result=_also_added(self.mirror, callbacks.on_result))
        calls.notices(*of.notes, *self.folder.notes)
        continues = of.asking.tuner.continues
        states = states_of(self.folder.path, of.budget.state_limit_gib) if continues else None
        loop = Loop(
            self.folder, of.asking, of.shared, states, of.budget, calls,
            of.budget.memory_limit_gib, of.train,
        )  # fmt: skip
        return loop.run(of.budget.test_seeds or (), of.budget.test_last)


@dataclasses.dataclass(frozen=True)
class PreparedStudy:
    """A study that has been checked, but not written yet.

    Attributes:
        path: Its folder, which may not exist yet.
        settings: Its definition.
        budget: Its limits.
        asking: Its tuner, which has not been asked yet.
        shared: The part that all trials have in common.
        notes: Sentences for the user; empty ones are not shown.
        optuna_storage: The address of an Optuna storage to keep up to date.
        train: The function that trains populations.
    """

    path: Path
    settings: StudySettings
    budget: Budget
    asking: Asking
    shared: Shared
    notes: tuple[str, ...]
    optuna_storage: str | None
    train: Callable[..., PopulationResult]

    @property
    def space(self) -> Space:
        """Where it searches."""
        return self.asking.tuner.space

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenStudy]:
        """Makes the study's folder, or opens the one that holds it, and releases it at the end.

        Raises:
            StorageError: If it cannot be written, holds something else, or another process
                holds it, or if the Optuna storage holds another study.
        """
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(StudyFolder(self.path, self.settings, self.budget))
            url, mirror = self.optuna_storage, None
            if url is not None:
                try:
                    opened = Mirror(url, name_there(self.path), folder.settings)
                except ArlbenchError:
                    folder.withdraw()
                    raise
                mirror = stack.enter_context(opened)
            yield OpenStudy(self, folder, mirror)


@contextlib.contextmanager
def prepare(
    problem: Problem,
    tuner: str | type[Tuner] = DEFAULT_TUNER,
    *,
    words: Where | None = None,
    n_trials: int | None = None,
    n_timesteps: int | None = None,
    seconds: float | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    test_seeds: Sequence[int] = (100, 101, 102),
    test_last: bool = False,
    parallel: int | None = None,
    tuner_seed: int = 0,
    tuner_settings: Mapping[str, Any] | None = None,
    objective: str | Objective = "final",
    minimise: bool = False,
    restart: bool = False,
    start_from: Source | None = None,
    start_count: int | None = None,
    folder: str | Path | None = None,
    state_limit_gib: float = 20.0,
    memory_limit_gib: float = 4.0,
    answer_seconds: float = ANSWER_SECONDS,
    optuna_storage: str | None = None,
    train: Callable[..., PopulationResult] = train_population,
) -> Iterator[PreparedStudy]:
    """Checks a study, without writing anything; its tuner ends with the context.

    The arguments are those of :func:`arlbench.tuning.tune`.

    Raises:
        ArlbenchError: If an argument is impossible, or the tuner is at fault.
    """
    check_types(problem, seeds, test_seeds)
    cls = _class_of(tuner)
    space = Space(problem, words)
    space.check_combinations()
    start = read_start(start_from, space, start_count)
    settings = StudySettings(
        problem=space.problem,
        words=space.words,
        tuner=name_of(cls),
        tuner_seed=seed_in_range(tuner_seed, TUNER_SEED),
        tuner_settings=_json_values(tuner_settings),
        tuner_version=cls.version,
        seeds=tuple(seeds),
        parallel=cls.parallel if parallel is None else parallel,
        objective=name_of_objective(objective),
        minimise=true_or_false("minimise", minimise),
        restart=_checked_restart(restart, cls),
        start_from=tuple(space.choice(config) for config in start.configs),
    )
    tests = _checked_tests(test_seeds, settings.seeds)
    budget = Budget(
        n_trials, n_timesteps, seconds, tests, true_or_false("test_last", test_last),
        _disk_limit(state_limit_gib), positive("memory_limit_gib", memory_limit_gib),
    )  # fmt: skip
    if optuna_storage is not None:
        require_storage(optuna_storage)
    limit = positive("answer_seconds", answer_seconds)
    with contextlib.closing(_asking(cls, space, settings, limit, start)) as asking:
        shared = shared_by_all(space, settings.horizon, memory_limit_gib)
        limits = asking.note_on_limits(budget.trials, budget.timesteps, len(settings.seeds))
        notes = (space.note, start.note, asking.note, _note_on(budget, cls), limits)
        path = _path(folder, problem)
        yield PreparedStudy(path, settings, budget, asking, shared, notes, optuna_storage, train)


def _asking(
    cls: type[Tuner], space: Space, settings: StudySettings, answer_seconds: float, start: Start
) -> Asking:
    """A new tuner, which has not been asked yet."""
    made = make_tuner(cls, space, settings.tuner_seed, settings.tuner_settings)
    return Asking(short_name(settings.tuner), made, answer_seconds, start.configs)


def _checked_restart(restart: Any, cls: type[Tuner]) -> bool:
    """Whether trials restart, which must be possible with the tuner."""
    if true_or_false("restart", restart) and not cls.can_restart:
        raise ConfigurationError(
            f"The tuner {short_name(name_of(cls))} changes hyperparameters when a trial continues, "
            "so its trials cannot be trained from step 0; leave out restart."
        )
    return bool(restart)


def _note_on(budget: Budget, cls: type[Tuner]) -> str:
    """A sentence if nothing ends the study; otherwise empty."""
    if not budget.unlimited or cls.ends:
        return ""
    return (
        "The study has no limit, so it continues until it is stopped; to end it sooner, set "
        "n_trials, n_timesteps or seconds."
    )


def _path(folder: str | Path | None, problem: Problem) -> Path:
    if folder is not None:
        return Path(folder)
    return files.next_folder(Path("runs"), f"{problem.env_spec.name}-study")


def _also_added(
    mirror: Mirror | None, on_result: Callable[[Result], None] | None
) -> Callable[[Result], None] | None:
    """A function that also adds each trial to a storage of Optuna, if there is one."""
    if mirror is None:
        return on_result

    def add(result: Result) -> None:
        mirror.add(result)
        if on_result is not None:
            on_result(result)

    return add


def _class_of(tuner: Any) -> type[Tuner]:
    """The class of a tuner, given itself, its name or ``MODULE:CLASS``."""
    if not inspect.isclass(tuner):
        return tuner_class(str(tuner))
    if not issubclass(tuner, Tuner):
        raise ConfigurationError(
            f"{tuner.__name__} is not a tuner; make it a subclass of arlbench.tuning.Tuner with a "
            "method ask."
        )
    return tuner


def _json_values(settings: Any) -> dict[str, Any]:
    """The settings of a tuner as the file of the study has them, so that it can be continued."""
    try:
        given = {name: as_python(value) for name, value in (settings or {}).items()}
        found: dict[str, Any] = json.loads(json.dumps(given))
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            "The settings of a tuner must be numbers, texts, or lists and dicts of them, by name, "
            f"not {settings!r}."
        ) from None
    return found


def check_types(problem: Any, *seeds: Any) -> None:
    """Raises a ConfigurationError if the problem, or several seeds, are something else."""
    if not isinstance(problem, Problem):
        raise ConfigurationError(
            f"A study needs a Problem, not a {type(problem).__name__}; give "
            "Problem(EnvSpec(...), ...)."
        )
    for several in seeds:
        if not isinstance(several, Iterable):
            raise ConfigurationError(
                f"Seeds must be a sequence such as (0, 1, 2), not {several!r}; give each of them."
            )


def _checked_tests(test_seeds: Sequence[int], seeds: Sequence[int]) -> tuple[int, ...]:
    """The seeds of the test, which must be possible, all different and not tuning seeds."""
    tests = tuple(seed_in_range(seed) for seed in test_seeds)
    for seed in tests:
        if seed in seeds:
            raise ConfigurationError(
                f"Seed {seed} is a tuning seed, so it cannot be a test seed; use other seeds, such "
                f"as those from {max(FIRST_TEST_SEED, max(seeds) + 1)} on."
            )
    if len(set(tests)) < len(tests):
        raise ConfigurationError("The test seeds must all be different; give each of them once.")
    return tests


def _disk_limit(gib: Any) -> float:
    if finite("state_limit_gib", gib) < 0:
        raise ConfigurationError(f"state_limit_gib must be 0 or more, not {gib}.")
    return float(gib)
