"""The groups in which the help shows the options of commands that have many."""

from __future__ import annotations

from typing import Any

from typer.core import TyperOption

from arlbench.cli.naming import Command

#: The parameters of each group, in the order of the help. A command has some of them.
GROUPS: dict[str, tuple[str, ...]] = {
    "Search": (
        "preset", "protocol", "schema", "sampler", "sampler_seed", "file", "n_configs", "tuner",
        "settings", "tuner_seed", "n_trials", "max_steps", "max_seconds", "parallel", "objective",
        "minimise", "restart", "start_from", "start_count", "repeat", "test_seeds", "test_last",
        "extended", "only_named",
    ),
    "Environment": ("framework", "n_envs", "env_kwargs", "wrap"),
    "Training": ("timesteps", "seeds", "seed", "evaluations", "eval_episodes"),
    "Algorithm": ("algorithm", "algorithm_options", "agent", "defaults", "cnn_policy"),
    "Results": ("out", "optuna_storage", "quiet", "as_json"),
    "Stopping and continuing": ("resume", "replay", "more", "checkpoint_every", "keep"),
    "Where it runs": ("ray", "env_workers", "memory_limit", "state_limit"),
}  # fmt: skip

_PLACES = {name: (group, names.index(name)) for group, names in GROUPS.items() for name in names}


class GroupedCommand(Command):
    """A command whose help shows its options in groups."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        order = [*GROUPS]

        def place(parameter: Any) -> tuple[int, int]:
            if parameter.name not in _PLACES:
                return (-1, 0)
            group, index = _PLACES[parameter.name]
            return order.index(group), index

        self.params.sort(key=place)
        for parameter in self.params:
            if isinstance(parameter, TyperOption) and parameter.name in _PLACES:
                parameter.rich_help_panel = _PLACES[parameter.name][0]
