"""A note if an episode may never end, and how to cut it off."""

from __future__ import annotations

import pytest

from arlbench import EnvSpec
from arlbench.cli import display, sweep_display, time_limits, tune_display
from arlbench.experiments.run_folder import RunFolder
from arlbench.experiments.run_settings import resolve
from arlbench.tuning import Space
from fake_training import PROBLEM, make_experiment

LIMIT = {"max_episode_steps": 50}


def test_only_an_environment_that_is_known_to_have_no_limit_has_a_note() -> None:
    said = time_limits.note_on(EnvSpec("gymnasium", "CliffWalking-v1"))
    assert said.startswith("CliffWalking-v1 has no time limit, so an episode may never end")
    assert said.endswith("""give --env-kwargs '{"max_episode_steps": 500}'.""")
    assert time_limits.note_on(EnvSpec("gymnasium", "CliffWalking-v1", 2, LIMIT)) == ""
    assert time_limits.note_on(EnvSpec("gymnasium", "Taxi-v3")) == ""
    assert time_limits.note_on(EnvSpec("gymnax", "CartPole-v1")) == ""
    # A class may end its episodes itself.
    assert time_limits.note_on(EnvSpec("gymnasium", "host_probes:Stairs")) == ""


def test_runs_sweeps_and_studies_show_it(tmp_path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "note_on", lambda _: "This may never end.")
    settings = resolve(PROBLEM.env_spec, {}, tuned=False, n_total_timesteps=2000)
    with RunFolder(tmp_path / "run", settings) as run:
        display.header(run)
    sweep_display.header(make_experiment(), 0, tmp_path)
    arguments = {"problem": PROBLEM, "tuner": "random", "seeds": (0,), "folder": tmp_path}
    tune_display.header(arguments, Space(PROBLEM, {}))
    printed = capsys.readouterr()
    assert printed.err.count("note: This may never end.\n") == 3
    assert printed.out == ""
