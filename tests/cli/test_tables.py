"""Aligned cells, none of them broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arlbench.cli import tables

ROWS = [("name", "n", "words"), ("CartPole-v1", "7", "a b"), ("x", "1234", "c")]


def test_cells_are_under_each_other_and_apart() -> None:
    assert tables.lines(ROWS, right=(1,)) == [
        "name            n  words",
        "CartPole-v1     7  a b",
        "x            1234  c",
    ]


def test_as_many_columns_fit_as_the_width_has_room_for() -> None:
    # 11 + 2 + 4 + 2 + 5 characters.
    assert tables.fitting(ROWS, 24) == 3
    assert tables.fitting(ROWS, 23) == 2
    # At least one column besides the names is shown.
    assert tables.fitting(ROWS, 3) == 2


def test_a_text_is_shortened_between_words() -> None:
    assert tables.shortened("grid (31, 28), score ()", 23) == "grid (31, 28), score ()"
    assert tables.shortened("grid (31, 28), score ()", 22) == "grid (31, 28) ..."
    assert tables.shortened("grid (31, 28), score ()", 12) == "grid ..."
    assert tables.shortened("grids", 4) == "..."


@given(st.text("ab ,", min_size=1), st.integers(3, 30))
def test_what_is_shortened_fits_and_begins_like_the_text(text: str, width: int) -> None:
    short = tables.shortened(text, width)
    assert len(short) <= max(width, 3)
    assert short == text or text.startswith(short.removesuffix("...").rstrip())
