"""DQN's hyperparameters, each declared once, and the batch sizes of its programs.

A hyperparameter is *structural* if it changes array shapes or the graph; structural ones are
in :class:`Structure`, a static argument of every compiled program. All others are *traced*:
they are in :class:`TracedHyperparameters`, ordinary inputs of the program, so changing one
compiles nothing. To add a hyperparameter, declare it here, write its formula, and call the
formula.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.core.algorithms import declarations
from arlbench.core.algorithms.declarations import (
    COUNT,
    COUNT_OR_ZERO,
    POSITIVE,
    PROBABILITY,
    Condition,
    Declarations,
    ReadOnlyConfig,
    choice,
    flag,
    real,
    whole,
)
from arlbench.core.algorithms.dqn.extensions import registry
from arlbench.core.algorithms.dqn.extensions.hyperparameters import (
    EXTENDED,
    EXTENDED_CHOICES,
    ExtendedHyperparameters,
)
from arlbench.core.algorithms.dqn.extensions.registry import NONE, Extensions
from arlbench.core.algorithms.dqn.models import ACTIVATIONS
from arlbench.errors import ConfigurationError

_TARGET_NETWORK = Condition("use_target_network", True)
_PRIORITISED = Condition("buffer_prio_sampling", True)


class TracedHyperparameters(NamedTuple):
    """The hyperparameters as inputs of the compiled program, each a scalar ``[]``.

    In a batch of members, each field is ``[n_members]``. A structural hyperparameter is None,
    which is not an input. ``buffer_batch_size`` selects one of the structure's batch sizes.
    Ranges and defaults are those of the published space. ``extended`` has the hyperparameters of
    the extensions that are compiled in; it is None if there are none.
    """

    buffer_size: Annotated[Any, whole(1024, 10_000_000, 1_000_000)]
    buffer_batch_size: Annotated[Any, choice((4, 8, 16, 32, 64), 16, possible=COUNT)]
    buffer_prio_sampling: Annotated[Any, flag(False, structural=True)]
    buffer_alpha: Annotated[Any, real(0.01, 1.0, 0.9, PROBABILITY, counts_if=_PRIORITISED)]
    buffer_beta: Annotated[Any, real(0.01, 1.0, 0.9, PROBABILITY, counts_if=_PRIORITISED)]
    # A priority of exactly 0 would never be drawn again.
    buffer_epsilon: Annotated[Any, real(1e-7, 1e-3, 1e-6, POSITIVE, counts_if=_PRIORITISED)]
    learning_rate: Annotated[Any, real(1e-6, 0.1, 3e-4, POSITIVE, log=True)]
    gamma: Annotated[Any, real(0.8, 1.0, 0.99, PROBABILITY)]
    tau: Annotated[Any, real(0.01, 1.0, 1.0, PROBABILITY, active_if=_TARGET_NETWORK)]
    initial_epsilon: Annotated[Any, real(0.5, 1.0, 1.0, PROBABILITY)]
    target_epsilon: Annotated[Any, real(0.001, 0.2, 0.05, PROBABILITY)]
    exploration_fraction: Annotated[Any, real(0.005, 0.5, 0.1, PROBABILITY)]
    use_target_network: Annotated[Any, flag(True)]
    train_freq: Annotated[Any, whole(1, 256, 4)]
    gradient_steps: Annotated[Any, whole(1, 256, 1)]
    learning_starts: Annotated[Any, whole(0, 32768, 1024, COUNT_OR_ZERO)]
    target_update_interval: Annotated[Any, whole(1, 2000, 1000, active_if=_TARGET_NETWORK)]
    normalize_observations: Annotated[Any, flag(False)]
    extended: ExtendedHyperparameters | None = None


class Architecture(NamedTuple):
    """The architecture choices of the network, all structural."""

    activation: Annotated[str, choice(ACTIVATIONS, "tanh", structural=True)]
    hidden_size: Annotated[int, whole(1, 1024, 64, structural=True)]


#: Every hyperparameter of the published space by name.
HYPERPARAMETERS: Declarations = declarations.declared(TracedHyperparameters)

#: Every architecture choice of the published space by name.
ARCHITECTURE_CHOICES: Declarations = declarations.declared(Architecture)

#: The same, together with those that only the extended space has.
ALL_HYPERPARAMETERS: Declarations = {**HYPERPARAMETERS, **EXTENDED}
ALL_ARCHITECTURE_CHOICES: Declarations = {**ARCHITECTURE_CHOICES, **EXTENDED_CHOICES}

#: The largest number of batch sizes of a program; all are compiled before its first member starts.
MAX_BATCH_SIZES = 8


def hpo_config_space(seed: int | None = None, extended: bool = False) -> ConfigurationSpace:
    """The hyperparameters, with the ranges to search."""
    known = ALL_HYPERPARAMETERS if extended else HYPERPARAMETERS
    return declarations.config_space("DQNConfigSpace", known, seed)


def nas_config_space(seed: int | None = None, extended: bool = False) -> ConfigurationSpace:
    """The architecture choices of the network, with the ranges to search."""
    known = ALL_ARCHITECTURE_CHOICES if extended else ARCHITECTURE_CHOICES
    return declarations.config_space("DQNNASConfigSpace", known, seed)


def typical_config() -> dict[str, Any]:
    """One update of many transitions after each vector step; see :class:`Algorithm`."""
    often = {"train_freq": 1, "gradient_steps": 1, "buffer_batch_size": 64}
    return {**often, "buffer_size": 10_000, "learning_starts": 1_000}


def default_hpo_config() -> Configuration:
    """The default hyperparameters."""
    return hpo_config_space().get_default_configuration()


def default_nas_config() -> Configuration:
    """The default architecture."""
    return nas_config_space().get_default_configuration()


def resolve_hpo(
    given: Configuration | Mapping[str, Any] | None, current: Mapping[str, Any] | None = None
) -> ReadOnlyConfig:
    """Every hyperparameter: the given value, or the current one, or the default.

    Raises:
        ConfigurationError: If a name is unknown or belongs elsewhere, or a value is impossible.
    """
    cure = "is an architecture choice, not a hyperparameter; give it in nas_config"
    declarations.refuse_misplaced(given, ALL_ARCHITECTURE_CHOICES, cure)
    known = ALL_HYPERPARAMETERS
    return ReadOnlyConfig(declarations.resolve(given, known, "hyperparameter", current))


def resolve_nas(given: Configuration | Mapping[str, Any] | None) -> ReadOnlyConfig:
    """Every architecture choice: the given value, or the default.

    Raises:
        ConfigurationError: If a name is unknown or belongs elsewhere, or a value is impossible.
    """
    cure = "is a hyperparameter, not an architecture choice; give it in hpo_config"
    declarations.refuse_misplaced(given, ALL_HYPERPARAMETERS, cure)
    choices = declarations.resolve(given, ALL_ARCHITECTURE_CHOICES, "architecture choice")
    registry.check_architecture(choices)
    return ReadOnlyConfig(choices)


def compiled_extensions(config: Mapping[str, Any], given: Extensions | None) -> Extensions:
    """The given extensions, or else those that a resolved configuration needs.

    Raises:
        ConfigurationError: If the configuration needs an extension that is not given.
    """
    if given is None:
        return registry.needed(config)
    registry.require(config, given)
    return given


def traced(config: Mapping[str, Any], extensions: Extensions = NONE) -> TracedHyperparameters:
    """The program's inputs from a resolved configuration, as NumPy scalars of fixed types."""
    published = declarations.inputs(config, HYPERPARAMETERS)
    return TracedHyperparameters(**published, extended=registry.inputs(config, extensions))


@functools.cache
def default_inputs() -> TracedHyperparameters:
    """The program's inputs from the default configuration."""
    return traced(resolve_hpo(None))


def check_batch_sizes(batch_sizes: Collection[int]) -> tuple[int, ...]:
    """Further batch sizes to compile for, in increasing order.

    Raises:
        ConfigurationError: If one is impossible.
    """
    if isinstance(batch_sizes, str) or not isinstance(batch_sizes, Collection):
        raise ConfigurationError(
            f"batch_sizes must be several values of buffer_batch_size, not {batch_sizes!r}."
        )
    check = HYPERPARAMETERS["buffer_batch_size"].check
    return tuple(sorted({check(size) for size in batch_sizes}))


def compiled_batch_sizes(
    config: Mapping[str, Any], further: Sequence[int], tracks_metrics: bool = False
) -> tuple[int, ...]:
    """The batch sizes that a program is made for, in increasing order.

    Args:
        config: A resolved configuration.
        further: Further batch sizes.
        tracks_metrics: Whether it records every update's TD errors, which fit only one size.

    Raises:
        ConfigurationError: If the configuration's batch size is traced and no others are given,
            or if metrics are tracked.
    """
    batch_size = config["buffer_batch_size"]
    if not declarations.is_tracer(batch_size):
        return tuple(sorted({batch_size, *(() if tracks_metrics else further)}))
    if tracks_metrics:
        raise ConfigurationError(
            "A traced buffer_batch_size cannot be combined with track_metrics, whose records fit "
            "only one size; use track_losses."
        )
    if not further:
        raise ConfigurationError(
            "buffer_batch_size shapes arrays, so a traced one must be in batch_sizes; give DQN "
            "the values that it can have, as in batch_sizes=(16, 32, 64)."
        )
    return tuple(further)


def shared_batch_sizes(
    kinds: Sequence[Any], batch_sizes: Sequence[tuple[int, ...]]
) -> list[dict[str, Any]]:
    """The ``batch_sizes`` with which algorithms share programs if they differ in nothing else.

    Args:
        kinds: For each algorithm, a hashable value for everything else that shapes its
            programs, ``[M]``.
        batch_sizes: The batch sizes of each algorithm, ``[M]``.

    Returns:
        Options of the class for each; a program has at most ``MAX_BATCH_SIZES``.
    """
    of_kind: dict[Any, set[int]] = {}
    for kind, sizes in zip(kinds, batch_sizes, strict=True):
        of_kind.setdefault(kind, set()).update(sizes)
    families = {kind: _family_of_each(sorted(sizes)) for kind, sizes in of_kind.items()}
    return [
        {"batch_sizes": families[kind][sizes[0]]}
        for kind, sizes in zip(kinds, batch_sizes, strict=True)
    ]


def _family_of_each(batch_sizes: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """For each batch size, all batch sizes of its program."""
    begins = range(0, len(batch_sizes), MAX_BATCH_SIZES)
    families = [tuple(batch_sizes[begin : begin + MAX_BATCH_SIZES]) for begin in begins]
    return {size: family for family in families for size in family}
