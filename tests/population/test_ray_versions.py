"""Versions of packages are the same on all machines, or the training does not begin."""

from __future__ import annotations

import subprocess
import sys

import cloudpickle
import jax
import numpy
import pytest

from arlbench.errors import ArlbenchError
from arlbench.population.ray_versions import PACKAGES, how_to_find_versions, require_equal


def test_versions_are_those_of_the_packages() -> None:
    found = how_to_find_versions((*PACKAGES, "no-such-package"))()
    assert found["jax"] == jax.__version__
    assert found["numpy"] == numpy.__version__
    assert found["no-such-package"] is None


def test_the_function_does_not_need_this_package_where_it_is_called() -> None:
    sent = cloudpickle.dumps(how_to_find_versions())
    program = (
        "import pickle, sys; sys.modules['arlbench'] = None;"
        f"print(sorted(pickle.loads({sent!r})()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{sorted(PACKAGES)}\n"


def test_a_difference_names_both_versions() -> None:
    here = {"arlbench": "2.0", "jax": "0.10"}
    require_equal(here, dict(here), "10.0.0.2")
    with pytest.raises(ArlbenchError, match=r"10\.0\.0\.2 has jax 0\.11, .* has jax 0\.10"):
        require_equal(here, {"arlbench": "2.0", "jax": "0.11"}, "10.0.0.2")
    with pytest.raises(ArlbenchError, match=r"has no arlbench; install arlbench 2\.0"):
        require_equal(here, {"jax": "0.10"}, "10.0.0.2")
