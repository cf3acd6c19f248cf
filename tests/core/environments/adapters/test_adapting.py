"""All adapters check names and settings in the same way, with one sentence."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import EnvSpec
from arlbench.core.environments.adapters.adapting import (
    AdaptedEnvironment,
    Interface,
    as_picture,
    check_at_least_one,
    check_name,
    check_settings,
    describe,
    enlarged,
    listing,
    new_figure,
    refusals,
    unusable,
    without_copies,
)
from arlbench.core.promotion import leniently
from arlbench.errors import ConfigurationError, UnknownEnvironmentError

SPEC = EnvSpec("library", "Game", 4, seed=3)
INTERFACE = Interface(spaces.Discrete(3), spaces.Box(0, 255, (4, 5), np.uint8), 9)


def with_settings(**settings: Any) -> EnvSpec:
    return EnvSpec("library", "Game", env_kwargs=settings)


class Game(AdaptedEnvironment):
    """An environment that is never played."""

    reset_one = step_one = None  # type: ignore[assignment]


def test_an_adapted_environment_says_what_was_found_out() -> None:
    env = Game(SPEC, INTERFACE)
    assert (env.env_name, env.n_envs, env.max_episode_steps) == ("Game", 4, 9)
    assert env.action_space == spaces.Discrete(3)
    assert env.observation_space == INTERFACE.observation_space


def test_a_seed_does_not_set_adapted_environments_apart() -> None:
    assert Game(SPEC, INTERFACE) == Game(EnvSpec("library", "Game", 4, seed=5), INTERFACE)
    assert Game(SPEC, INTERFACE) != Game(EnvSpec("library", "Game", 5), INTERFACE)


def test_copies_share_the_part_of_the_library() -> None:
    many = EnvSpec("library", "Game", 4, {"size": 3}, True, 7)
    assert without_copies(many) == with_settings(size=3)
    assert without_copies(many) != with_settings(size=4)


def test_a_library_need_not_be_as_strict_as_its_user() -> None:
    def add(x: Any) -> Any:
        return jnp.zeros((2, 3)) + x

    with pytest.raises(ValueError, match="rank_promotion"):
        add(jnp.ones(3))
    assert leniently(add)(jnp.ones(3)).shape == (2, 3)
    assert jax.config.jax_numpy_rank_promotion == "raise"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    check_name(SPEC, ["Game"])
    with pytest.raises(
        UnknownEnvironmentError, match=r"library has no .* 'Game'. Did you .* 'Gam'"
    ):
        check_name(SPEC, ["Gam", "Other"])
    with pytest.raises(UnknownEnvironmentError, match="'arlbench envs' lists them"):
        check_name(SPEC, ["Chess"])


def test_an_unusable_environment_is_refused_with_the_reason() -> None:
    assert str(unusable("Game", "it is long")) == (
        "Game cannot be used: it is long. Choose another environment; 'arlbench envs' lists them."
    )


def test_an_unknown_setting_is_answered_with_the_nearest_and_all() -> None:
    known = {"width": 1, "height": 2}
    check_settings(with_settings(width=3), known)
    with pytest.raises(ConfigurationError, match=r"'hight'. Did.*'height'. It has: height, width"):
        check_settings(with_settings(hight=3), known)
    with pytest.raises(ConfigurationError, match=r"no setting 'width'. It has none"):
        check_settings(with_settings(width=3), {})


@pytest.mark.parametrize(
    ("default", "good", "bad", "kind"),
    [
        (True, False, 1, "true or false"),
        (3, 4, 4.5, "a whole number"),
        (3, 4, True, "a whole number"),
        (3, 4, None, "a whole number"),
        (0.5, 1, "1", "a number"),
        (0.5, 1.5, False, "a number"),
    ],
)
def test_a_number_is_replaced_by_its_kind_only(
    default: Any, good: Any, bad: Any, kind: str
) -> None:
    check_settings(with_settings(size=good), {"size": default})
    with pytest.raises(ConfigurationError, match=f"size of Game must be {kind}, not {bad!r}"):
        check_settings(with_settings(size=bad), {"size": default})


def test_settings_of_no_number_may_be_anything() -> None:
    check_settings(with_settings(size=[1, "x"]), {"size": None})


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None])
def test_a_count_is_a_positive_whole_number(value: Any) -> None:
    check_at_least_one(with_settings(limit=1), "limit", "absent")
    with pytest.raises(ConfigurationError, match="limit of Game must be a whole number of at"):
        check_at_least_one(with_settings(limit=value), "limit")


def test_what_a_library_refuses_is_told_in_one_line() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"^Game refused .*'size': 3\}: too small$"),
        refusals(with_settings(size=3)),
    ):
        raise TypeError("too small\nin line 3\n")
    with pytest.raises(ConfigurationError, match=r": AssertionError$"), refusals(SPEC):
        raise AssertionError


def test_an_error_of_this_package_stays_what_it_is() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"^Game"), refusals(SPEC):
        raise unusable("Game", "it is long")


def test_a_listing_describes_the_interface() -> None:
    line = listing(SPEC, INTERFACE)
    assert line == ("library", "Game", "(4, 5)", 3, 9, None, None, "Discrete")


def test_spaces_are_described_for_people() -> None:
    parts = {"board": spaces.MultiDiscrete([[2, 3]]), "place": spaces.Discrete(7)}
    assert describe(spaces.Dict(parts)) == "board (1, 2), place Discrete(7)"


def test_pictures_are_drawn_on_figures_of_their_own() -> None:
    figure, axes = new_figure(2.0, 1.0)
    axes.imshow(np.eye(2))
    picture = as_picture(figure)
    assert (picture.shape, picture.dtype) == ((100, 200, 3), np.uint8)
    assert len(np.unique(picture)) > 1
    assert plt.get_fignums() == []


def test_an_enlarged_picture_has_squares_for_pixels() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarged(picture, 3)
    assert large.shape == (6, 6, 3)
    np.testing.assert_array_equal(large[::3, ::3], picture)
    np.testing.assert_array_equal(large[2::3, 1::3], picture)
