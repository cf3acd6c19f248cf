"""Classes of the user's own modules, which may be missing or faulty."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arlbench.core.own_classes import own_class
from arlbench.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("class Own(\n", r"The module own_faulty raised SyntaxError when .* correct it"),
        (
            "rate = unknown\n",
            r"own_faulty raised NameError .* is not defined\) at .*own_faulty.py, line 1; correct",
        ),
        (
            "import no_such_module\n",
            "The tuner 'own_faulty:Own' cannot be imported .*no_such_module",
        ),
        ("", "The tuner 'own_faulty:Own' cannot be imported .*no attribute 'Own'"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "own_faulty", raising=False)
    (tmp_path / "own_faulty.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=complaint):
        own_class("tuner", "own_faulty:Own")


def test_a_class_may_be_inside_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nested.py").write_text("class Outer:\n    class Inner:\n        mark = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert own_class("tuner", "own_nested:Outer.Inner").mark == 3
