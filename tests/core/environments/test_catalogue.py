"""The list of environments agrees with the libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

from arlbench.core.environments import EnvListing, catalogue
from arlbench.core.environments.registry import (
    library_version,
    list_environments,
    live_listings,
    registered_frameworks,
)

LIBRARIES = ["gymnax", "xland", "navix", "jumanji", "craftax", "gymnasium", "ale", "envpool"]


def test_every_library_has_a_table_and_is_listed_in_order() -> None:
    assert all(catalogue.read(framework) for framework in LIBRARIES)
    listed = dict.fromkeys(listing.framework for listing in list_environments())
    assert list(listed)[: len(LIBRARIES)] == LIBRARIES


@pytest.mark.parametrize(
    "framework",
    # Each of the 104 games is started.
    [pytest.param(x, marks=[pytest.mark.thorough] if x == "ale" else []) for x in LIBRARIES],
)
def test_the_list_is_that_of_the_library(framework: str) -> None:
    """If a library has changed, ``make catalogue`` writes the list again."""
    if not library_version(framework):
        pytest.skip(f"{framework} is not installed")
    assert list(catalogue.read(framework)) == live_listings([framework])


def test_no_name_is_listed_twice() -> None:
    """Except for names that exist both compiled and in Python."""
    on_host = {name for name, entry in registered_frameworks().items() if entry.on_host}
    compiled = [entry.name for entry in list_environments() if entry.framework not in on_host]
    assert len(set(compiled)) == len(compiled)
    assert on_host == {"gymnasium", "ale", "envpool"}


def test_an_older_python_may_have_a_table_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(catalogue, "_folder", lambda: tmp_path)
    (tmp_path / "a-python3.11.csv").write_text("")
    (tmp_path / "a.csv").write_text("")
    for python, file in {"python3.11": "a-python3.11.csv", "python3.12": "a.csv"}.items():
        monkeypatch.setattr(catalogue, "_PYTHON", python)
        assert catalogue.table("a") == tmp_path / file
    assert catalogue.read("none") == ()
    catalogue.read.cache_clear()


def test_a_list_is_read_as_it_was_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listings = (
        EnvListing("a", "one", "(3,)", 2, 100, None, action_kind="Discrete"),
        EnvListing("b", "two, too", "(7, 7, 2)", None, None, "it is broken", "more", "Box"),
    )
    (tmp_path / "some.csv").write_text(catalogue.write(listings))
    monkeypatch.setattr(catalogue, "_folder", lambda: tmp_path)
    catalogue.read.cache_clear()
    assert catalogue.read("some") == listings
    catalogue.read.cache_clear()
