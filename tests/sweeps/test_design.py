"""A design: checked once, complete, equal where its results must be."""

from __future__ import annotations

import json

import pytest

from arlbench import DQN
from arlbench.errors import ConfigurationError
from arlbench.sweeps.design import SweepDesign, seed_range
from fake_training import make_design


def test_configurations_are_completed() -> None:
    config = make_design().configs[0]
    assert config.keys() == {*DQN.get_hpo_config_space(), *DQN.get_nas_config_space()}
    assert config["learning_rate"] == 1e-5
    assert config["hidden_size"] == 64


def test_json_and_back_is_the_same_design_to_the_last_bit() -> None:
    design = make_design(configs=({"learning_rate": 1 / 3}, {"gamma": 0.1 + 0.2}))
    again = SweepDesign.from_mapping(json.loads(design.to_json()))
    assert again == design
    assert again.to_json() == design.to_json()
    assert again.first_difference(design) == ""


def test_equal_in_what_is_active_is_equal() -> None:
    without = {"use_target_network": False}
    one, other = (make_design(configs=(without | more,)) for more in ({}, {"tau": 0.3}))
    assert one == other
    assert one.fingerprint == other.fingerprint
    active = make_design(configs=({"use_target_network": True, "tau": 0.3},))
    assert active.configs[0]["tau"] == 0.3


def test_members_are_every_configuration_with_every_seed() -> None:
    design = make_design(n_configs=2, n_seeds=2)
    assert list(design.members) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert design.n_members == 4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"configs": ()}, "at least one of its configs"),
        ({"seeds": ()}, "at least one of its seeds"),
        ({"seeds": (1, 1)}, "seeds twice"),
        ({"n_total_timesteps": 0}, "n_total_timesteps must be a positive whole number"),
        ({"n_eval_steps": 1.5}, "n_eval_steps must be"),
        ({"n_eval_episodes": -1}, "n_eval_episodes must be"),
        ({"n_total_timesteps": 1024}, "no update in any configuration"),
        ({"configs": ({"gama": 0.9},)}, "Did you mean 'gamma'"),
        ({"configs": ({"gamma": 2},)}, "gamma must be between 0 and 1"),
    ],
)
def test_impossible_designs_are_refused(change, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make_design(**change)


def test_some_configurations_may_make_no_update() -> None:
    late = ({"learning_starts": 5000}, {"learning_starts": 0})
    assert len(make_design(configs=late).configs) == 2


def test_seeds_are_counted_from_the_first() -> None:
    assert seed_range(3, 2) == (3, 4)
    assert seed_range(2**32 - 1, 1) == (2**32 - 1,)
    for first, count in ((-1, 1), (2**32 - 1, 2), (0, 0), (0, 10_001)):
        with pytest.raises(ConfigurationError, match="eeds"):
            seed_range(first, count)
