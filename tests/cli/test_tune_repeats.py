"""``arlbench tune --repeat``: one command for several seeds of the tuner, and its table."""

from __future__ import annotations

import json
import math

from arlbench.cli.tune_repeats import sentences, table
from arlbench.tuning import load
from arlbench.tuning.best import Best
from in_process import arlbench

SHORT = [
    "CartPole-v1", "--timesteps", "900", "--n-envs", "4", "--evaluations", "3",
    "--eval-episodes", "2", "--seeds", "1", "--test-seeds", "1", "--only-named", "--defaults",
    "learning_rate=1e-4..1e-2", "buffer_batch_size=8", "learning_starts=64", "buffer_size=1024",
    "hidden_size=8",
]  # fmt: skip


def test_the_table_over_repeats() -> None:
    best = [
        Best(0, 7, 12, 480.0, 470.0, 1_000),
        Best(1, 8, 3, 500.0, 450.0, 2_000),
        Best(2, 9, 31, 490.0, math.nan, 3_000),
    ]
    rows = [line.split() for line in table(best)]
    assert rows[0][-2:] == ["total", "steps"]
    assert rows[1] == ["0", "7", "12", "480.0", "470.0", "1,000"]
    assert rows[3] == ["2", "9", "31", "490.0", "-", "3,000"]
    assert rows[4] == ["mean", "490.0", "460.0"]
    assert rows[5] == ["range", "of", "repeats", "480.0", "to", "500.0", "450.0", "to", "470.0"]
    # One repeat is its own mean.
    assert len(table(best[:1])) == 2
    # Fewer than four test returns have a range, and a single one has neither.
    three_tested = [*best, Best(3, 10, 1, 490.0, 460.0, 1)]
    assert table(three_tested)[-1].startswith("interval or range of repeats  ")
    assert table([*three_tested, Best(4, 11, 1, 490.0, 460.0, 1)])[-1].startswith("95 % interval  ")
    assert table(best[1:])[-1].startswith("range of repeats  ")
    said = sentences([None] * 4, best)  # type: ignore[list-item]
    assert said[0] == "in 1 of 4 repeats, no trial ended without diverging"
    assert "return is 30.0 on average" in said[1]


def test_repeats_from_the_command_line(tmp_path, capsys) -> None:
    out = tmp_path / "all"
    words = ["--n-trials", "2", "--repeat", "2", "--tuner-seed", "4", "--out", out]
    assert arlbench("tune", *SHORT, *words) == 0
    shown, messages = capsys.readouterr()
    assert "random tunes DQN on CartPole-v1" in messages
    assert "2 repeats" in messages
    assert "tuner seed" in shown
    assert "range of repeats" in shown
    assert (out / "incumbent.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "repeat-1" / "trials.png").exists()
    assert [study.settings.tuner_seed for study in load(out).repeats] == [4, 5]
    assert arlbench("tune", "--resume", out, "--more", "1", "--test-seeds", "1", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "finished"
    assert [each["trained_now"] for each in printed["repeats"]] == [1, 1]
    objectives = [each["incumbent"]["objective"] for each in printed["repeats"]]
    assert printed["tuning_return"]["mean"] == sum(objectives) / 2
    assert printed["tuning_return"]["low"] == min(objectives)
    assert printed["test_return"]["spread"] == "range of repeats"
    # A repeat alone is a study.
    assert arlbench("tune", "--resume", out / "repeat-0", "--test-seeds", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["n_trials"] == 3


def test_mistakes_are_one_sentence(tmp_path, capsys) -> None:
    assert arlbench("tune", *SHORT, "--repeat", "0", "--out", tmp_path / "a", "--quiet") == 2
    assert "--repeat must be a positive whole number" in capsys.readouterr().err
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "repeats.json").write_text('{"format_version": 1, "repeats": 2}')
    assert arlbench("tune", "--replay", tmp_path / "all", "--quiet") == 2
    message = capsys.readouterr().err
    assert "holds the repeats of a study; name one of them, such as" in message
    assert message.count("\n") == 1
