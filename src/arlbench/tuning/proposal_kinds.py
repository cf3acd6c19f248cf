"""The kinds of proposals, by name."""

from __future__ import annotations

from arlbench.core.checks import one_of
from arlbench.tuning.optuna_search import Tpe
from arlbench.tuning.proposals import Proposals, Sampled
from arlbench.tuning.space import Space

#: The kinds of proposals, by the names that settings use.
KINDS = ("random", "sobol", "tpe")


def make_proposals(kind: str, space: Space, seed: int) -> Proposals:
    """Makes proposals of a kind.

    Raises:
        ConfigurationError: If the kind is unknown.
        MissingExtraError: If it needs a package that is not installed.
    """
    if one_of("proposals", kind, KINDS, "kind of proposals") == "tpe":
        return Tpe(space, seed)
    return Sampled(kind, space, seed)
