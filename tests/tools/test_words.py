"""The check of words reads prose, but not code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "words.py"


@pytest.fixture(scope="module")
def words() -> Any:
    spec = importlib.util.spec_from_file_location("words", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_are_found_with_their_lines(words: Any, tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "page.md"
    page.write_text("It\nis\nno fish.\n\nThe run goes " + "on.\n")
    assert words.main([str(page)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{page}:2: 'is no': write is not a",
        f"{page}:5: 'goes on': write continues or resumes",
    ]


def test_words_across_the_lines_of_a_comment_are_found(words: Any, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("x = 1  # This is\n# no fish.\ny = f'{x} is " + "no fish'\n")
    found = list(words.complaints(module))
    assert [line.split(": ")[0] for line in found] == [f"{module}:1", f"{module}:3"]


def test_code_and_longer_words_are_not_prose(words: Any, tmp_path: Path) -> None:
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text("```\nthis is " + "no prose\n```\n`go " + "on` amends what is not prose\n")
    module.write_text(
        "anew = 1\nbeside = [anew]  # besides, amend or bygone ones; it is no longer so\n"
    )
    assert words.main([str(page), str(module)]) == 0


def test_every_refused_phrase_is_found_across_lines_and_in_capitals(
    words: Any, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    for phrase, cure in words.REFUSED.items():
        page.write_text(f"One, {phrase.capitalize()} two.\n\n{phrase.replace(' ', chr(10))}\n")
        assert list(words.complaints(page)) == [
            f"{page}:{line}: '{phrase}': write {cure}" for line in (1, 3)
        ]
