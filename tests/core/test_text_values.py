"""Values of texts."""

from __future__ import annotations

import pytest

from arlbench.core.text_values import parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("ON", True),
        ("no", False),
        ("3", 3),
        ("-2", -2),
        ("1e-3", 1e-3),
        ("3.0", 3.0),
        ("tanh", "tanh"),
        ("", ""),
    ],
)
def test_a_word_has_the_plainest_type_that_fits(text, value) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)
