"""Says in words what a sweep or study searches."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from arlbench.core.text_values import count

#: If more hyperparameters are searched, their names are not listed.
_N_NAMED = 8


def listing(names: Sequence[str]) -> str:
    """The names in a sentence: ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def searched(names: Sequence[str], words: Collection[str], published: Collection[str]) -> str:
    """What is searched: names, or how many hyperparameters if they are many.

    Args:
        names: The hyperparameters that vary.
        words: Those that the user has named, whether they vary or not.
        published: All hyperparameters of the algorithm's published space.
    """
    named = [name for name in names if name in words]
    n_others = len(names) - len(named)
    if not named:
        fixed = [name for name in published if name not in names]
        exceptions = f" except {listing(_few(fixed))}" if fixed else ""
        return (
            f"{count(n_others, 'hyperparameter')}, all of the space{exceptions}; --only-named "
            "searches only the ones you name"
        )
    if n_others:
        others = [*_few(named), count(n_others, "other")]
        return f"{listing(others)} (not named); --only-named fixes those"
    return f"{listing(_few(named))}; all others are fixed"


def _few(names: Sequence[str]) -> Sequence[str]:
    """The names for a listing, or their number if they are many."""
    return names if len(names) <= _N_NAMED else [count(len(names), "hyperparameter")]
