"""Configures a learner while it learns, as a gymnasium environment."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import gymnasium
import jax
import numpy as np
from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.autorl.action_space import HyperparameterSpace, changes, inactive
from arlbench.autorl.objectives import objective_values
from arlbench.autorl.schedule import Schedule, begun
from arlbench.autorl.setup import Setup
from arlbench.autorl.state_features import observation, observation_space
from arlbench.autorl.step_result import StepResult
from arlbench.core.algorithms.checkpointing import Checkpointer, LoadedCheckpoint
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.algorithms.measured import train_measured
from arlbench.core.algorithms.state_parts import ALL, STATE
from arlbench.core.checks import known_names, seed_in_range
from arlbench.errors import BufferOverflowError, ConfigurationError, MemoryLimitError

# What a checkpoint contains besides the learner's state.
_INFO = "autorl"


class AutoRLEnv(gymnasium.Env):
    """An environment whose actions are configurations of a learner.

    Each step trains the same learner further with the configuration that it is given.
    Changing hyperparameters that do not shape the program compiles nothing.

    Args:
        config: Settings by name; see :class:`AutoRLConfig` for all of them.

    Attributes:
        action_space: Hyperparameters by name, in the ranges in which to search them.
        observation_space: ``steps``, and the requested state features.
        config_space: The hyperparameters as ConfigSpace describes them.

    Raises:
        ConfigurationError: If a setting is unknown or impossible.
        UnknownEnvironmentError: If the algorithm cannot learn in the environment.
        MissingExtraError: If an objective needs a package that is not installed.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (gymnasium's own type)

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self._setup = Setup.of(config)
        self._settings = self._setup.settings
        self._algorithm = self._setup.make_algorithm()
        parts = [*self._algorithm.checkpoint_template(), ALL, STATE]
        known_names(self._settings.checkpoint, parts, "part of a checkpoint")
        self._folder = Path(self._settings.checkpoint_dir) / self._settings.checkpoint_name
        if self._settings.checkpoint:
            _require_writable(self._folder)
        self.config_space: ConfigurationSpace = self._algorithm.get_hpo_config_space(
            extended=self._settings.extended
        )
        self.action_space = HyperparameterSpace(self.config_space)
        self.observation_space = observation_space(self._setup.features, self._settings)
        self._schedule: Schedule | None = None
        self._checkpoints: list[str] = []

    @property
    def config(self) -> dict[str, Any]:
        """Every setting by name."""
        return dataclasses.asdict(self._settings)

    @property
    def objectives(self) -> list[str]:
        """The names of the objectives that a step returns."""
        return list(self._settings.objectives)

    @property
    def hpo_config(self) -> dict[str, Any]:
        """The current value of every hyperparameter."""
        return dict(self._algorithm.hpo_config)

    @property
    def checkpoints(self) -> list[str]:
        """The checkpoints that this object has written, oldest first."""
        return list(self._checkpoints)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts a schedule with a new learner and default hyperparameters.

        Args:
            seed: The seed of the run's random key; None takes ``seed`` of the settings.
            options: Must be empty.

        Returns:
            An empty observation and info, ``({}, {})``.
        """
        known_names(options or {}, [], "option")
        seed = None if seed is None else seed_in_range(seed)
        super().reset(seed=seed)
        if self._schedule is not None and self._schedule.state is not None:
            # The new learner can reuse environments that step in Python.
            self._algorithm.release(self._schedule.state)
        self._algorithm = self._setup.make_algorithm()
        self._schedule = Schedule(self._settings.seed if seed is None else seed)
        return {}, {}

    def step(  # type: ignore[override]
        self,
        action: Configuration | Mapping[str, Any],
        checkpoint_path: str | Path | None = None,
        n_total_timesteps: int | float | None = None,
        n_eval_steps: int | None = None,
        n_eval_episodes: int | None = None,
        seed: int | None = None,
    ) -> tuple[dict[str, np.ndarray], dict[str, float], bool, bool, dict[str, Any]]:
        """Trains the learner further with another configuration.

        Args:
            action: A configuration, or a mapping of the hyperparameters to change; the
                others keep their values. Inactive ones are ignored and have their defaults.
            checkpoint_path: Continue from this checkpoint. A checkpoint of a whole run also
                restores its hyperparameters and its place in the schedule; at the end of the
                schedule, a new one begins. A checkpoint of parts alone changes neither.
            n_total_timesteps: Budget of this step in environment steps; None takes that of the
                settings. The step ends with the iteration that reaches the sum of the budgets
                so far. If earlier steps exceeded their budgets, this step is shorter.
            n_eval_steps: Number of evaluations; None takes that of the settings.
            n_eval_episodes: Episodes of each evaluation; None takes that of the settings.
            seed: Seed of a new random key for the run; None keeps the present key.

        Returns:
            ``(obs, objectives, terminated, truncated, info)``. ``terminated`` is always
            False; ``truncated`` is True after the last step of the schedule, or when learning
            has become non-finite. ``info`` holds ``train_info_df`` (``steps`` within this
            step, ``returns``), ``train_seconds``, ``compile_seconds``, ``inactive`` (the names
            of hyperparameters whose condition in ``config_space`` is not met) and, if they
            exist, ``checkpoint`` and ``diverged_at``, in environment steps of the run.

        Raises:
            ConfigurationError: If no step can follow, or if the action is unknown or
                impossible.
            CheckpointError: If the checkpoint is damaged, or belongs to another environment,
                network or algorithm.
        """
        schedule, current = begun(self._schedule), self.hpo_config
        lengths = self._lengths(n_total_timesteps, n_eval_steps, n_eval_episodes)
        if checkpoint_path is None:
            schedule.require_open()
        else:
            schedule, current = self._loaded(checkpoint_path, schedule)
        if seed is not None:
            schedule = self._reseeded(schedule, seed_in_range(seed))
        known = (self._algorithm.architecture_choices(), self._algorithm.hyperparameters())
        changed = changes(action, self.config_space, current, *known)
        with self._undone_if_refused():
            self._algorithm.update_hpo_config({**current, **changed})
            result, train_result, state = self._train(schedule, lengths)
        budget, settings = lengths.n_total_timesteps, self._settings
        after = schedule.after(result, state, budget, settings.n_steps)
        self._schedule = after
        # First, because a user's objective or state feature may raise an error.
        info = self._info(result, train_result)
        return (
            observation(self._setup.features, result, settings, after.config_step),
            objective_values(self._setup.objectives, result, settings.optimize_objectives),
            False,
            bool(after.over),
            info,
        )

    def eval(self, num_eval_episodes: int = 10) -> np.ndarray:
        """Undiscounted returns of whole episodes of the current learner, ``[num_eval_episodes]``.

        Raises:
            ConfigurationError: If no step has been taken.
        """
        schedule = begun(self._schedule)
        if schedule.state is None:
            raise ConfigurationError(
                "The environment has no learner before the first step, or after one that diverged; "
                "call step() or reset()."
            )
        return np.asarray(self._algorithm.evaluate(schedule.state[0], num_eval_episodes))

    @contextlib.contextmanager
    def _undone_if_refused(self) -> Iterator[None]:
        before = self.hpo_config
        try:
            yield
        except BufferOverflowError:
            # Training had begun, so the memory of the state has been reused.
            self._schedule = None
            raise
        except (ConfigurationError, MemoryLimitError) as error:
            # These errors are raised before the memory of the state is reused.
            self._algorithm.update_hpo_config(before)
            if isinstance(error, MemoryLimitError) and ALL in self._settings.checkpoint:
                raise MemoryLimitError(
                    f"{error} Records are kept because checkpoint contains '{ALL}'; '{STATE}' "
                    "saves everything else."
                ) from None
            raise
        except BaseException:
            # The interrupted training has already reused the memory of the state.
            self._schedule = None
            raise

    def _reseeded(self, schedule: Schedule, seed: int) -> Schedule:
        """The schedule with another random key, which its learner receives too if it has one."""
        state = schedule.state
        if state is not None:
            state = self._algorithm.restore({"rng": jax.random.key(seed)}, state)
        return dataclasses.replace(schedule, seed=seed, state=state)

    def _lengths(self, *given: Any) -> Lengths:
        """Lengths of a step: the given ones, or else those of the settings."""
        usual = [getattr(self._settings, name) for name in Lengths._fields[: len(given)]]
        pairs = zip(given, usual, strict=True)
        total, n_eval_steps, n_eval_episodes = (
            default if own is None else own for own, default in pairs
        )
        horizon = self._settings.schedule_timesteps
        return Lengths.checked(total, n_eval_steps, n_eval_episodes, horizon)

    def _loaded(self, path: str | Path, schedule: Schedule) -> tuple[Schedule, dict[str, Any]]:
        """The schedule with the learner of a checkpoint, and its hyperparameters."""
        loaded = Checkpointer.load(path, self._algorithm, schedule.state)
        saved = loaded.info.get(_INFO, {})
        place = dataclasses.replace(schedule, state=loaded.state, over="")
        if "global_step" in loaded.parts:
            place = self._placed(place, loaded, saved)
        if place.config_step >= self._settings.n_steps:
            place = dataclasses.replace(place, config_step=0, last_returns=())
        if "rng" in loaded.parts:
            place = dataclasses.replace(place, seed=saved.get("seed", schedule.seed))
        elif schedule.state is None:
            place = self._reseeded(place, schedule.seed)
        # Parts alone, such as a network, are taken over without the hyperparameters.
        restored = saved.get("hpo_config", {}) if "global_step" in loaded.parts else {}
        return place, {**self.hpo_config, **restored}

    def _placed(
        self, schedule: Schedule, loaded: LoadedCheckpoint, saved: Mapping[str, Any]
    ) -> Schedule:
        """The schedule at the place of a loaded learner with its number of steps."""
        done = int(loaded.state[0].global_step) * self._settings.n_envs
        # In older versions, which rounded up to whole intervals, the budget was the steps done.
        budget = saved.get("budget", saved.get("timesteps", done))
        place = dataclasses.replace(schedule, timesteps=done, budget=budget)
        if not saved:
            return place
        if saved["config_step"] >= self._settings.n_steps:
            return dataclasses.replace(place, config_step=0, last_returns=())
        returns = tuple(saved["last_returns"])
        return dataclasses.replace(place, config_step=saved["config_step"], last_returns=returns)

    def _train(self, schedule: Schedule, lengths: Lengths) -> tuple[StepResult, Any, Any]:
        """The result of the step, the result of the training, and the learner's new state."""
        state = schedule.state
        if state is None:
            state = self._algorithm.init(jax.random.key(schedule.seed))
        with contextlib.ExitStack() as stack:
            meters = {
                objective.name: stack.enter_context(objective.meter())
                for objective in self._setup.objectives
                if objective.meter
            }
            outcome = train_measured(
                self._algorithm, state, lengths, timesteps_before=schedule.budget
            )
        result = StepResult(
            returns=outcome.returns,
            timesteps=outcome.timesteps,
            began_at=schedule.timesteps,
            train_seconds=outcome.seconds.training,
            compile_seconds=outcome.seconds.compiling,
            statistics=outcome.statistics or {},
            measured={name: read() for name, read in meters.items()},
            earlier=schedule.last_returns,
            diverged_at=outcome.diverged_at,
        )
        return result, outcome.result, outcome.state

    def _info(self, result: StepResult, train_result: Any) -> dict[str, Any]:
        info = {
            "train_info_df": result.frame(),
            "train_seconds": result.train_seconds,
            "compile_seconds": result.compile_seconds,
            "inactive": inactive(self.config_space, self.hpo_config),
        }
        if result.diverged_at is not None:
            return {**info, "diverged_at": result.ended_at}
        if self._settings.checkpoint:
            info["checkpoint"] = self._save(train_result)
        return info

    def _save(self, train_result: Any) -> str:
        schedule = begun(self._schedule)
        place = {
            "seed": schedule.seed,
            "config_step": schedule.config_step,
            "timesteps": schedule.timesteps,
            "budget": schedule.budget,
            "last_returns": schedule.last_returns,
            "hpo_config": self.hpo_config,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        # Environments of several processes may share the default folder.
        with filelock.FileLock(self._folder / ".lock"):
            path = Checkpointer(self._folder, self._settings.checkpoint).save(
                self._algorithm, schedule.state, train_result, info={_INFO: place}
            )
        self._checkpoints.append(str(path))
        return str(path)


def _require_writable(folder: Path) -> None:
    """Raises if checkpoints cannot be written to a folder, which may not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return
    reason = "cannot be written" if existing.is_dir() else "is a file"
    raise ConfigurationError(
        f"Checkpoints cannot be written to {folder}, because {existing} {reason}; set another "
        "checkpoint_dir or checkpoint_name."
    )
