"""The list of environments says what the libraries offer."""

from __future__ import annotations

import pytest

from arlbench.core.environments import EnvListing, catalogue
from arlbench.core.environments.registry import live_listings, registered_frameworks

LISTED = {listing.framework for listing in catalogue.read()}


def test_every_framework_is_in_the_list() -> None:
    assert set(registered_frameworks()) >= LISTED >= {"gymnax", "xland", "navix"}


@pytest.mark.parametrize("framework", sorted(LISTED))
def test_the_list_is_that_of_the_library(framework: str) -> None:
    """Where a library has changed, ``make catalogue`` writes the list anew."""
    listed = [listing for listing in catalogue.read() if listing.framework == framework]
    assert listed == live_listings([framework])


def test_no_name_is_listed_twice() -> None:
    """But where it can be compiled as well as stepped in Python."""
    on_host = {name for name, entry in registered_frameworks().items() if entry.on_host}
    compiled = [entry.name for entry in catalogue.read() if entry.framework not in on_host]
    assert len(set(compiled)) == len(compiled)
    assert on_host == {"gymnasium"}


def test_a_list_is_read_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    listings = (
        EnvListing("a", "one", "(3,)", 2, 100, None, action_kind="Discrete"),
        EnvListing("b", "two, too", "(7, 7, 2)", None, None, "it is broken", "more", "Box"),
    )
    monkeypatch.setattr(catalogue, "_text", lambda: catalogue.write(listings))
    catalogue.read.cache_clear()
    assert catalogue.read() == listings
    catalogue.read.cache_clear()
