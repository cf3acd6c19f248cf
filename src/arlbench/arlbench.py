"""One training run in one call: a configuration in, its objectives out.

Hydra's multirun, or any optimiser that calls a function, can use this package through it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arlbench.autorl.autorl_env import AutoRLEnv
from arlbench.autorl.config import AutoRLConfig
from arlbench.core.algorithms.state_parts import STATE
from arlbench.core.checks import known_names
from arlbench.core.problem import Problem
from arlbench.errors import CheckpointError, ConfigurationError, did_you_mean

_log = logging.getLogger(__name__)

#: The keys that are read; all others are left to other programs, such as Hydra's groups.
KEYS = ("autorl", "hp_config", "nas_config", "seed", "load", "save")

# How similar to a key that is absent another one must be to count as misspelt.
_ALIKE = 0.8

# The file of the learning curve, in the working directory.
_CURVE = "evaluation.csv"


def run_arlbench(
    cfg: Mapping[str, Any], logger: logging.Logger | None = None
) -> float | tuple[float, ...]:
    """Trains once and returns the objectives.

    Args:
        cfg: A mapping, or a Hydra configuration, with

            - ``autorl``: settings by name, see :class:`AutoRLConfig`;
            - ``hp_config``: hyperparameters; inactive ones are ignored, and architecture
              choices are allowed here too;
            - ``nas_config``: architecture choices, which take precedence over those in
              ``autorl``;
            - ``seed``: takes precedence over the one in ``autorl``; with ``load``, the
              learner continues with random numbers from this seed;
            - ``load``: the folder in which an earlier call saved, to continue from there;
            - ``save``: the folder in which to save the parts that ``autorl`` names in
              ``checkpoint``, or else everything that an exact continuation needs.

            Other keys are ignored, unless they look like misspelt ones of these.
        logger: Receives messages; by default the logger of this module.

    Returns:
        The objective, or a tuple of several in the order of ``objectives``. NaN if learning
        diverged. The learning curve is in ``evaluation.csv`` in the working directory.

    Raises:
        ConfigurationError: If a key seems misspelt, or a setting is unknown or impossible.
        CheckpointError: If the checkpoint to load does not exist or does not fit.
    """
    told = logger or _log
    settings, hp_config = _sorted(_checked(cfg))
    if ignored := [str(name) for name in cfg if name not in KEYS]:
        told.debug("ignores the keys %s, which other programs may read", ", ".join(ignored))
    env = AutoRLEnv(settings)
    env.reset()
    load = _folder(cfg, "load")
    checkpoint = None if load is None else _checkpoint_in(load, settings["checkpoint_name"])
    if checkpoint is not None:
        told.info("continues from %s", checkpoint)
    seed = settings["seed"] if checkpoint is not None else None
    _, objectives, _, _, info = env.step(hp_config, checkpoint_path=checkpoint, seed=seed)
    info["train_info_df"].to_csv(_CURVE, index=False)
    if "diverged_at" in info:
        told.warning("learning diverged after %d environment steps", info["diverged_at"])
    if "checkpoint" in info:
        told.info("saved in %s", info["checkpoint"])
    told.info("objectives: %s", objectives)
    values = tuple(objectives[name] for name in env.objectives)
    return values[0] if len(values) == 1 else values


def _checked(cfg: Any) -> Mapping[str, Any]:
    """The configuration, if it is a mapping that has ``autorl`` and no key that seems misspelt."""
    if not isinstance(cfg, Mapping):
        raise ConfigurationError(f"cfg must be a mapping, not a {type(cfg).__name__}.")
    if "autorl" not in cfg:
        raise ConfigurationError(
            "cfg has no 'autorl'; give the settings there, as in {'autorl': {'env_name': "
            f"'CartPole-v1'}}}}.{''.join(did_you_mean(name, ['autorl']) for name in cfg)}"
        )
    absent = [name for name in KEYS if name not in cfg]
    for name in cfg:
        if name not in KEYS and (meant := did_you_mean(name, absent, _ALIKE)):
            raise ConfigurationError(f"Unknown key '{name}' of the configuration.{meant}")
    return cfg


def _sorted(cfg: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All settings, and the hyperparameters."""
    asked = dict(cfg["autorl"] or {})
    usual = AutoRLConfig.of({k: v for k, v in asked.items() if k != "nas_config"})
    problem: Problem = usual.problem
    given = {
        **dict(asked.get("nas_config") or {}),
        **dict(cfg.get("nas_config") or {}),
        **dict(cfg.get("hp_config") or {}),
    }
    known_names(given, problem.declarations, "hyperparameter")
    choices = problem.algorithm_class.architecture_choices()
    save = _folder(cfg, "save")
    settings = {
        **asked,
        "checkpoint_name": usual.checkpoint_name,
        "nas_config": {name: value for name, value in given.items() if name in choices},
        "seed": usual.seed if cfg.get("seed") is None else cfg["seed"],
    }
    if save is not None:
        settings["checkpoint_dir"] = str(save)
        settings["checkpoint"] = list(usual.checkpoint) or [STATE]
    return settings, {name: value for name, value in given.items() if name not in choices}


def _folder(cfg: Mapping[str, Any], key: str) -> Path | None:
    """The folder that a key names; None if it is missing or empty."""
    value = cfg.get(key)
    return Path(value) if value else None


def _checkpoint_in(load: Path, name: str) -> Path:
    """The folder in which a call with the same checkpoint name saved, or a checkpoint itself."""
    if (load / name).is_dir():
        return load / name
    if load.is_dir():
        return load
    raise CheckpointError(
        f"{load} does not contain a checkpoint to load; give the folder that an earlier call had "
        "as 'save'."
    )
