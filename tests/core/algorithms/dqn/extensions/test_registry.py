"""Which extensions a configuration or a space needs, and what is refused."""

from __future__ import annotations

from typing import Any

import jax
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.extensions import registry
from arlbench.core.algorithms.dqn.extensions.registry import EXTENSIONS, NONE, Extensions
from arlbench.errors import ConfigurationError
from probes import Walk, small_dqn

ALL = [*EXTENSIONS]

PUBLISHED = set(DQN.get_hpo_config_space())


def test_the_extended_spaces_have_the_published_ones_in_them() -> None:
    extended = DQN.get_hpo_config_space(seed=1, extended=True)
    assert set(extended) - PUBLISHED == {name for parts in EXTENSIONS.values() for name in parts}
    for name in PUBLISHED:
        assert extended[name] == DQN.get_hpo_config_space()[name]
    choices = DQN.get_nas_config_space(extended=True)
    assert set(choices) > {"activation", "hidden_size", "dueling", "distribution", "noisy"}
    assert set(choices["activation"].choices) == {"tanh", "relu", "gelu", "silu", "elu"}
    assert set(DQN.get_nas_config_space()["activation"].choices) == {"tanh", "relu"}


def test_the_defaults_of_the_extended_space_are_the_published_program() -> None:
    default = DQN.get_hpo_config_space(extended=True).get_default_configuration()
    architecture = DQN.get_nas_config_space(extended=True).get_default_configuration()
    env = Walk()
    found, plain = DQN(default, env, nas_config=architecture), DQN({}, env)
    assert found.structure == plain.structure
    assert found.structure.extensions == NONE
    assert found.hp == plain.hp
    assert found.hp.extended is None
    assert len(jax.tree.leaves(found.hp)) == len(PUBLISHED) - 1  # the kind of replay is no input


def test_sampled_configurations_are_possible() -> None:
    env = Walk()
    space = DQN.get_hpo_config_space(0, extended=True)
    choices = DQN.get_nas_config_space(0, extended=True)
    pairs = zip(space.sample_configuration(30), choices.sample_configuration(30), strict=True)
    for config, architecture in pairs:
        dqn = DQN(config, env, nas_config=architecture)
        assert dqn.structure.extensions.n_step == dqn.hpo_config["n_step"]


def test_a_hundred_configurations_with_one_set_need_a_program_for_each_kind_of_replay() -> None:
    env = Walk()
    configs = DQN.get_hpo_config_space(0, extended=True).sample_configuration(100)
    sizes = (4, 8, 16, 32, 64)
    members = [DQN(config, env, batch_sizes=sizes, extensions=ALL) for config in configs]
    assert len({member.structure for member in members}) == 2
    shapes = {jax.tree.structure(member.hp) for member in members}
    assert len(shapes) == 1


def test_a_configuration_needs_what_differs_from_the_defaults() -> None:
    hpo = {"double_q": True, "n_step": 4, "loss": "huber", "munchausen_temperature": 0.5}
    assert small_dqn(**hpo).structure.extensions == Extensions(("loss", "double_q", "n_step"), 4)
    assert small_dqn(huber_delta=3.0).structure.extensions == NONE  # without effect


def test_a_space_needs_what_some_of_its_values_need() -> None:
    possible = {"n_step": (1, 7), "double_q": (False,), "max_grad_norm": (0.0, 5.0), "gamma": (1,)}
    assert registry.for_space(possible) == Extensions(("max_grad_norm", "n_step"), 7)
    options = DQN.options_for_space(possible)
    assert options == {"extensions": ["max_grad_norm", "n_step=7"]}
    assert registry.parse(options["extensions"]) == registry.for_space(possible)
    assert DQN.options_for_space({"gamma": (0.9, 1.0), "double_q": (False,)}) == {}


def test_a_traced_value_needs_its_extension() -> None:
    found: list[Extensions] = []

    def make(double_q: Any, n_step: Any, loss: Any) -> Any:
        dqn = small_dqn(double_q=double_q, n_step=n_step, loss=loss)
        found.append(dqn.structure.extensions)
        return dqn.hp.extended.loss

    assert jax.jit(make)(True, 3, 1) == 1
    assert found == [Extensions(("loss", "double_q", "n_step"), 10)]


def test_a_given_set_stays_when_hyperparameters_change() -> None:
    dqn = small_dqn(settings={"extensions": ["double_q", "n_step=3"]})
    before = dqn.structure
    dqn.update_hpo_config({"double_q": True, "n_step": 2})
    assert dqn.structure == before
    derived = small_dqn()
    derived.update_hpo_config({"double_q": True})
    assert derived.structure.extensions.names == ("double_q",)


@pytest.mark.parametrize(
    ("hpo", "nas", "sentence"),
    [
        ({"n_step": 0}, {}, "n_step must be between 1 and 100, not 0"),
        ({"max_grad_norm": -1.0}, {}, "max_grad_norm must be at least 0, not -1"),
        ({"weight_decay": -0.1}, {}, "weight_decay must be at least 0"),
        ({"adam_epsilon": 0.0}, {}, "adam_epsilon must be greater than 0"),
        (
            {"munchausen_temperature": 1e-40},
            {},
            "munchausen_temperature must be greater than 0, not 1e-40, which programs round to 0",
        ),
        ({"loss": "hubber"}, {}, "one of squared, huber, not 'hubber'. Did you mean 'huber'"),
        ({"exploration": "greedy"}, {}, "exploration must be one of epsilon_greedy, boltzmann"),
        ({"munchausen_alpha": 1.5}, {}, "munchausen_alpha must be between 0 and 1"),
        ({"double_q": 1}, {}, "double_q must be True or False"),
        ({"dueling": True}, {}, "dueling is an architecture choice"),
        ({}, {"double_q": True}, "double_q is a hyperparameter"),
        ({}, {"distribution": "categorical", "v_min": 10.0}, "v_min is 10 and v_max 10, so the"),
        (
            {},
            {"distribution": "categorical", "v_min": 1e8, "v_max": 1e8 + 1},
            r"51 atoms between v_min=100000000\.0 and v_max=100000001\.0 would not all be diff",
        ),
        (  # numpy.linspace gives 101 different numbers, but programs do not
            {},
            {"distribution": "categorical", "n_atoms": 101, "v_min": 1e5, "v_max": 1e5 + 1},
            r"101 atoms between v_min=100000\.0 and v_max=100001\.0 would not all be different",
        ),
        (
            {},
            {"distribution": "categorical", "n_atoms": 2, "v_min": -3e38, "v_max": 3e38},
            "2 atoms between .* would not all be different, finite numbers of 32 bits",
        ),
        ({}, {"distribution": "c51"}, "distribution must be one of none, categorical, quantile"),
        ({}, {"distribution": "categorical", "n_atoms": 1}, "n_atoms must be between 2 and 1000"),
        ({}, {"n_layers": 0}, "n_layers must be at least 1"),
        ({}, {"activation": "gelo"}, "Did you mean 'gelu'"),
    ],
)
def test_impossible_values_get_one_sentence(hpo: Any, nas: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as error:
        DQN(hpo, Walk(), nas_config=nas)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("extensions", "hpo", "sentence"),
    [
        ("double_q", {}, "extensions must be a list of names"),
        (["double"], {}, "Unknown extension 'double'. Did you mean 'double_q'"),
        ({"n_step": 5}, {}, "extensions must be a list of names, not {'n_step': 5}"),
        (["n_step=5", "n_step=3"], {}, "extensions has n_step twice"),
        (["double_q="], {}, "double_q takes no value"),
        (["double_q=3"], {}, "double_q takes no value; leave =3 out"),
        (["n_step=0"], {}, "n_step must be between 1 and 100, not 0"),
        (["n_step=x"], {}, "n_step must be a whole number"),
        ([], {"double_q": True}, "double_q is True, but the extension double_q is not compiled in"),
        (["n_step=3"], {"n_step": 4}, "n_step is 4, but this program takes at most 3; lower it"),
        (["n_step=3"], {"n_step": 4}, r"or make the algorithm with extensions=\['n_step=4'\]\."),
    ],
)
def test_impossible_sets_get_one_sentence(extensions: Any, hpo: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        DQN(hpo, Walk(), extensions=extensions)


def test_presets_are_possible_and_the_first_is_the_published_agent() -> None:
    presets = DQN.presets()
    assert [*presets] == ["dqn", "stable", "rainbow"]
    assert presets["dqn"] == {}
    for values in presets.values():
        choices = {k: v for k, v in values.items() if k in DQN.architecture_choices()}
        hpo = {k: v for k, v in values.items() if k not in choices}
        DQN(hpo, Walk(), nas_config=choices)
    assert small_dqn(**presets["stable"]).structure.extensions.names == ("loss", "max_grad_norm")
