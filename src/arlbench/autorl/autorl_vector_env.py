"""Configures many learners at once, as a gymnasium vector environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from arlbench.autorl.action_space import HyperparameterSpace, changes, inactive
from arlbench.autorl.objectives import objective_values
from arlbench.autorl.schedule import Schedule, begun
from arlbench.autorl.setup import Setup
from arlbench.autorl.state_features import observation, observation_space
from arlbench.autorl.step_result import StepResult
from arlbench.core.checks import known_names, positive_whole, seed_in_range
from arlbench.errors import ConfigurationError
from arlbench.population.cores import start_workers_for
from arlbench.population.members import MemberId, MemberResult, PopulationResult
from arlbench.population.state import PopulationState
from arlbench.population.training import train_population


class AutoRLVectorEnv(VectorEnv):
    """Many learners, each with its own configuration and seed, stepped as one population.

    On the CPU they are spread over all cores (:func:`arlbench.population.use_cores`); on
    accelerators they are batched. All are at the same step of their schedules. A learner
    that diverges is truncated and waits for the next ``reset``.

    Args:
        num_envs: Number of learners.
        config: Settings as for :class:`AutoRLEnv`, for all of them.

    Attributes:
        single_action_space: The space of one learner; ``action_space`` is a tuple of these.
        single_observation_space: The space of one learner; ``observation_space`` has an
            additional first axis of length ``num_envs``.
        config_space: The hyperparameters as ConfigSpace describes them.

    Raises:
        ConfigurationError: If a setting is unknown or impossible, or is only possible for
            a single learner: checkpoints, and objectives that need a meter.
        UnknownEnvironmentError: If the algorithm cannot learn in the environment.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012

    def __init__(self, num_envs: int, config: Mapping[str, Any] | None = None) -> None:
        self.num_envs = positive_whole("num_envs", num_envs)
        self._setup = Setup.of(config)
        self._settings = self._setup.settings
        self._refuse_what_only_one_can_have()
        self._learner = self._setup.make_algorithm()
        self._defaults = dict(self._learner.hpo_config)
        self.config_space = self._learner.get_hpo_config_space(extended=self._settings.extended)
        self.single_action_space = HyperparameterSpace(self.config_space)
        self.action_space = spaces.Tuple(
            [HyperparameterSpace(self.config_space) for _ in range(self.num_envs)]
        )
        self.single_observation_space = observation_space(self._setup.features, self._settings)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        of_one = self._learner.cost(self._settings.n_total_timesteps)
        start_workers_for(of_one * self._settings.n_steps * self.num_envs, self.num_envs)
        # Large enough for the whole schedule with default hyperparameters, so that later steps
        # need no other program.
        self._init_options = self._learner.init_options(
            self._settings.n_steps * self._settings.n_total_timesteps
        )
        self._schedules: list[Schedule] | None = None
        self._hpo_configs: list[dict[str, Any]] = []
        self._observed: list[dict[str, np.ndarray]] = []

    @property
    def config(self) -> dict[str, Any]:
        """Every setting by name."""
        return dataclasses.asdict(self._settings)

    @property
    def hpo_configs(self) -> list[dict[str, Any]]:
        """The current value of every hyperparameter, for each learner."""
        return [dict(config) for config in self._hpo_configs]

    def reset(  # type: ignore[override]
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts schedules with new learners and default hyperparameters.

        Args:
            seed: A seed for each learner, or the first of consecutive seeds; None takes the
                seed of the settings as the first.
            options: Must be empty.

        Returns:
            An empty observation and info, ``({}, {})``.
        """
        known_names(options or {}, [], "option")
        seeds = self._seeds(self._settings.seed if seed is None else seed)
        self._schedules = [Schedule(seed) for seed in seeds]
        self._hpo_configs = [dict(self._defaults) for _ in seeds]
        self._observed = []
        return {}, {}

    def step(  # type: ignore[override]
        self,
        actions: Sequence[Mapping[str, Any]],
        n_total_timesteps: int | float | None = None,
    ) -> tuple[
        dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, np.ndarray, dict[str, Any]
    ]:
        """Trains every learner further with its own configuration.

        Args:
            actions: For each learner, a configuration or a mapping of the hyperparameters
                to change.
            n_total_timesteps: Budget of each learner in environment steps; None takes that of
                the settings. See :meth:`AutoRLEnv.step`.

        Returns:
            ``(obs, objectives, terminated, truncated, info)``: observations and objectives
            by name with a first axis of length ``num_envs``. A learner that diverged in an
            earlier step repeats its last observation, and its objectives are NaN. ``info``
            holds ``train_info_df`` (a list of frames; None for such a learner), ``inactive``
            (for each learner, the names of hyperparameters whose condition in
            ``config_space`` is not met), ``train_seconds`` and ``compile_seconds`` (sums over
            the learners), ``wall_seconds``, and ``n_processes`` (the number of processes that
            trained).

        Raises:
            ConfigurationError: If no step can follow, or if an action is unknown or
                impossible.
        """
        schedules = self._open_schedules()
        hpo_configs = self._changed(actions)
        usual = self._settings.n_total_timesteps
        budget = positive_whole(
            "n_total_timesteps", usual if n_total_timesteps is None else n_total_timesteps
        )
        population = self._train(schedules, hpo_configs, budget)
        self._hpo_configs = hpo_configs
        by_learner = {member.config_index: member for member in population.members}
        results = [
            self._result(schedule, by_learner[i]) if i in by_learner else None
            for i, schedule in enumerate(schedules)
        ]
        self._schedules = [
            schedule.after(result, by_learner[i].parts, budget, self._settings.n_steps)
            if result
            else schedule
            for i, (schedule, result) in enumerate(zip(schedules, results, strict=True))
        ]
        info = {
            "train_info_df": [result.frame() if result else None for result in results],
            "train_seconds": population.train_seconds,
            "compile_seconds": population.compile_seconds,
            "wall_seconds": population.wall_seconds,
            "n_processes": population.n_processes,
            "inactive": [inactive(self.config_space, config) for config in hpo_configs],
        }
        truncated = np.array([bool(schedule.over) for schedule in self._schedules])
        return (
            self._observe(results),
            self._judge(results),
            np.zeros(self.num_envs, bool),
            truncated,
            info,
        )

    def _refuse_what_only_one_can_have(self) -> None:
        if self._settings.checkpoint:
            raise ConfigurationError(
                "AutoRLVectorEnv cannot write checkpoints; leave the setting checkpoint out, or "
                "use AutoRLEnv."
            )
        for objective in self._setup.objectives:
            if objective.meter is not None:
                raise ConfigurationError(
                    f"The objective '{objective.name}' is measured for a whole process, which here "
                    "trains many learners; leave it out, or use AutoRLEnv."
                )

    def _seeds(self, seed: int | Sequence[int]) -> list[int]:
        if not isinstance(seed, Sequence | np.ndarray):
            first = seed_in_range(seed)
            return [seed_in_range(first + i) for i in range(self.num_envs)]
        seeds = [seed_in_range(one) for one in seed]
        if len(seeds) != self.num_envs:
            raise ConfigurationError(
                f"{len(seeds)} seeds were given for {self.num_envs} learners; give one for each."
            )
        return seeds

    def _open_schedules(self) -> list[Schedule]:
        schedules = begun(self._schedules)
        if all(schedule.over for schedule in schedules):
            schedules[0].require_open()
        return schedules

    def _changed(self, actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The configuration of each learner after its action."""
        is_list = isinstance(actions, Sequence) and not isinstance(actions, str)
        if not is_list or len(actions) != self.num_envs:
            raise ConfigurationError(
                f"Give a list of {self.num_envs} actions, a mapping for each learner."
            )
        pairs = zip(actions, self._hpo_configs, strict=True)
        return [self._checked(i, *pair) for i, pair in enumerate(pairs)]

    def _checked(
        self, index: int, action: Mapping[str, Any], current: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            known = (self._learner.architecture_choices(), self._learner.hyperparameters())
            given = changes(action, self.config_space, current, *known)
            self._learner.update_hpo_config({**current, **given})
        except ConfigurationError as error:
            raise ConfigurationError(f"Learner {index}: {error}") from None
        return dict(self._learner.hpo_config)

    def _train(
        self,
        schedules: Sequence[Schedule],
        hpo_configs: Sequence[Mapping[str, Any]],
        budget: int,
    ) -> PopulationResult:
        parts = {MemberId(i, 0): s.state for i, s in enumerate(schedules) if s.state is not None}
        return train_population(
            self._setup.problem,
            hpo_configs,
            [[schedule.seed] for schedule in schedules],
            n_total_timesteps=budget,
            timesteps_before=[schedule.budget for schedule in schedules],
            members=[MemberId(i, 0) for i, schedule in enumerate(schedules) if not schedule.over],
            state=PopulationState(parts),
            init_options=self._init_options,
            # A program for the configurations of one step would be useless in the next step,
            # which may have other configurations.
            share_programs=False,
            keep_state=True,
        )

    def _observe(self, results: Sequence[StepResult | None]) -> dict[str, np.ndarray]:
        """Observations with a first axis of learners; without a result, the previous one."""
        schedules = begun(self._schedules)
        self._observed = [
            observation(self._setup.features, result, self._settings, schedules[i].config_step)
            if result
            else self._observed[i]
            for i, result in enumerate(results)
        ]
        return {name: np.stack([o[name] for o in self._observed]) for name in self._observed[0]}

    def _judge(self, results: Sequence[StepResult | None]) -> dict[str, np.ndarray]:
        """Objectives with a first axis of learners; NaN for learners without a result."""
        direction = self._settings.optimize_objectives
        nothing = dict.fromkeys(self._settings.objectives, np.nan)
        values = [
            objective_values(self._setup.objectives, result, direction) if result else nothing
            for result in results
        ]
        return {name: np.array([v[name] for v in values]) for name in nothing}

    def _result(self, schedule: Schedule, member: MemberResult) -> StepResult:
        return StepResult(
            returns=member.returns,
            timesteps=member.timesteps,
            began_at=schedule.timesteps,
            train_seconds=member.train_seconds,
            compile_seconds=member.compile_seconds,
            statistics=member.statistics or {},
            measured={},
            earlier=schedule.last_returns,
            diverged_at=member.diverged_at,
        )
