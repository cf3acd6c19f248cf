"""What a sweep or study searches, in words."""

from __future__ import annotations

import pytest

from arlbench.cli.searching import searched

PUBLISHED = ["gamma", "tau", "learning_rate"]
MANY = [f"h{i}" for i in range(9)]

CASES = {
    "all": (PUBLISHED, [], "3 hyperparameters, all of the space; --only-named searches only the"),
    "all but named constants": (
        ["gamma"], ["tau", "learning_rate"],
        "1 hyperparameter, all of the space except tau and learning_rate; --only-named searches",
    ),
    "some": (PUBLISHED, ["tau"], "tau and 2 others (not named); --only-named fixes those"),
    "only the named": (
        ["gamma", "tau"], ["gamma", "tau", "learning_rate"], "gamma and tau; all others are fixed"
    ),
    "many": ([*MANY, "tau"], MANY, "9 hyperparameters and 1 other (not named); --only-named fixes"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_searched_is_said(case: str) -> None:
    names, words, sentence = CASES[case]
    assert searched(names, words, PUBLISHED).startswith(sentence)
