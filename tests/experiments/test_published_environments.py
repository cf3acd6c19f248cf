"""Each of the thirteen published environments trains and is evaluated, by its preset."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from arlbench.experiments.published_studies import PUBLISHED
from arlbench.tuning import load
from in_process import arlbench

SHORT = [
    *("--n-trials", "1", "--seeds", "1", "--test-seeds", "0", "--quiet"),
    *("--timesteps", "2000", "--evaluations", "1", "--eval-episodes", "2"),
    # Small networks compile faster, and small buffers take less memory.
    *("buffer_size=1500", "learning_starts=500", "hidden_size=16"),
]

ENV_KWARGS = {
    "gymnasium": ["--env-kwargs", '{"max_episode_steps": 500}'],
    "ale": ["--env-kwargs", '{"evaluation": {"max_episode_steps": 500}}'],
}

#: A convolutional network takes long for an update, so it makes few.
FEW_UPDATES = {"ale": ["train_freq=16", "gradient_steps=1", "buffer_batch_size=16"]}

#: They compile almost the programs of qbert, door_key and cartpole.
LIKE_OTHERS = [
    *("battlezone", "doubledunk", "namethisgame", "phoenix"),
    *("unlock", "empty_room", "four_rooms"),
    *("acrobot", "mountaincar"),
]

EXTRAS = {"xland": "xminigrid", "ale": "ale_py", "gymnasium": "Box2D"}


def marked(name: str) -> Any:
    """The name as a parameter of a slow test."""
    mark = pytest.mark.stress if name in LIKE_OTHERS else pytest.mark.thorough
    return pytest.param(name, marks=mark)


@pytest.mark.parametrize("name", [marked(name) for name in PUBLISHED])
def test_two_thousand_steps_and_an_evaluation(name: str, tmp_path) -> None:
    framework = PUBLISHED[name].framework
    needs = EXTRAS.get(framework)
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    words = [*SHORT, *ENV_KWARGS.get(framework, []), *FEW_UPDATES.get(framework, [])]
    assert arlbench("tune", "--preset", name, *words, "--out", tmp_path / "study") == 0
    (result,) = load(tmp_path / "study").results.values()
    assert result.status == "finished"
    assert result.returns.shape == (1, 1)
    assert result.cost >= 2000
