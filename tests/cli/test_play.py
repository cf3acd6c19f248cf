"""``arlbench play`` from the arguments to the film."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arlbench.experiments.agents import find_agents, load_agent
from arlbench.experiments.playing import make_player
from drawn_framework import AGENT, GOAL, write_run
from in_process import arlbench

FORWARD, STAY = 1, 0

#: Return and length of an episode that goes forward, by its first place.
FORWARD_FROM = {0: (6.0, 3), 1: (5.0, 2), 2: (3.0, 1)}


def played(capfd, *words: object) -> Any:
    """The contents of a film's JSON."""
    assert arlbench("play", *words, "--json") == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def places_in(path: Path) -> list[int]:
    """The agent's place in each picture of a GIF, with a hundred pixels for each place."""
    places = []
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            row = np.asarray(image.convert("RGB"))[50, 50::100]
            places.append(int(np.flatnonzero((row == AGENT).all(axis=1))[0]))
    return places


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An agent that goes forward and one that stays."""
    return write_run(tmp_path / "run", FORWARD, STAY)


def test_a_film_shows_each_state_of_each_episode(run: Path, capfd) -> None:
    result = played(capfd, run, "--episodes", 4, "--seed", 3)
    assert result["film"] == str(run / "play.gif")
    assert (result["name"], result["parameters"]) == ("seed 0", "final parameters")
    begins = [GOAL - episode["length"] for episode in result["episodes"]]
    assert len(set(begins)) > 1
    for begin, episode in zip(begins, result["episodes"], strict=True):
        expected = FORWARD_FROM[begin]
        assert (episode["return"], episode["length"]) == expected
        assert episode["ended"]
    expected_places = [place for begin in begins for place in range(begin, GOAL + 1)]
    assert places_in(run / "play.gif") == expected_places


def test_the_agent_of_a_seed_is_chosen_and_cut_off_in_time(run: Path, capfd) -> None:
    result = played(capfd, run, "--run-seed", 1, "--max-steps", 3)
    assert result["name"] == "seed 1"
    assert [(e["length"], e["ended"]) for e in result["episodes"]] == [(3, False)]
    # It does not move: one picture, as long as four pictures and a second.
    with Image.open(run / "play.gif") as image:
        assert image.n_frames == 1


def test_a_film_is_a_function_of_its_seed(run: Path, capfd) -> None:
    contents = {}
    for seed in (0, 0, 1, 2):
        played(capfd, run, "--episodes", 6, "--seed", seed)
        content = (run / "play.gif").read_bytes()
        assert contents.setdefault(seed, content) == content
    assert len(set(contents.values())) == 3


def test_what_is_printed_says_who_played_what_came_of_it_and_where_it_is(run: Path, capfd) -> None:
    assert arlbench("play", run, "--episodes", 2, "--max-steps", 1, "--seed", 3) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "Corridor, seed 0: final parameters"
    algorithm = find_agents(run).make_algorithm(n_envs=1)
    outcomes = make_player(algorithm, 1)(load_agent(algorithm, find_agents(run).agents[0]), 3)
    begin = GOAL - int(outcomes.lengths[0])
    cut = "" if begin == GOAL - 1 else ", cut off there"
    assert lines[1] == f"episode 1: return {begin + 1:.2f}, 1 steps{cut}"
    assert lines[2].startswith("episode 2: return ")
    assert lines[3:] == [f"film: {run / 'play.gif'}"]


def test_quiet_prints_nothing(run: Path, capfd) -> None:
    assert arlbench("play", run, "--quiet") == 0
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize(("name", "begin"), [("mp4", b"ftyp"), ("png", b"PNG"), ("gif", b"GIF89")])
def test_every_format_is_written_beside_the_run_or_where_it_is_asked_for(
    name: str, begin: bytes, run: Path, capfd, tmp_path: Path
) -> None:
    assert played(capfd, run, "--format", name)["film"] == str(run / f"play.{name}")
    played(capfd, run, "--out", tmp_path / f"mine.{name}")
    for path in (run / f"play.{name}", tmp_path / f"mine.{name}"):
        assert begin in path.read_bytes()[:12]
    names = {path.name for path in run.iterdir()} - {"run.lock"}
    assert names == {
        "settings.json", "summary.json", "params-seed-0.npz", "params-seed-1.npz", f"play.{name}",
    }  # fmt: skip


def test_frames_per_second_are_slow_or_as_asked_for(run: Path, capfd) -> None:
    durations = []
    for words in ((), ("--fps", 50)):
        played(capfd, run, *words)
        with Image.open(run / "play.gif") as image:
            durations.append(image.info["duration"])
    assert durations == [200, 20]


def test_a_film_is_made_again_and_nothing_else_is_written_over(run: Path, capfd) -> None:
    assert arlbench("play", run, "--quiet") == 0
    assert arlbench("play", run, "--seed", 1, "--quiet") == 0
    (run / "play.gif").write_text("precious")
    assert arlbench("play", run) == 2
    assert "play.gif exists already and is not a film" in capfd.readouterr().err
    assert (run / "play.gif").read_text() == "precious"


def test_a_run_that_is_still_training_can_be_watched(run: Path) -> None:
    from arlbench.experiments.run_folder import RunFolder

    with RunFolder(run):
        assert arlbench("play", run, "--quiet") == 0


def test_ctrl_c_leaves_nothing_behind(run: Path, monkeypatch, capfd) -> None:
    from arlbench.report.film import Reel

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Reel, "end_episode", interrupt)
    assert arlbench("play", run) == 130
    assert "Traceback" not in capfd.readouterr().err
    assert not [path for path in run.iterdir() if "play" in path.name]


# Arguments, and what the one sentence must contain.
FAULTS = {
    "no episodes": (["RUN", "--episodes", "0"], ["--episodes must be a positive whole", "not 0"]),
    "no steps": (["RUN", "--max-steps", "0"], ["--max-steps must be a positive whole", "not 0"]),
    "no frames": (["RUN", "--fps", "0"], ["error: --fps must be a positive whole"]),
    "too fast": (["RUN", "--fps", "60"], ["error: --fps must be at most 50"]),
    "negative seed": (["RUN", "--seed=-1"], ["Seeds must be whole numbers from 0"]),
    "no such seed": (["RUN", "--run-seed", "7"], ["no seed 7", "--run-seed takes one of 0, 1"]),
    "unknown format": (["RUN", "--format", "gift"], ["'gift'", "Did you mean 'gif'"]),
    "two formats": (["RUN", "--format", "gif", "--out", "a.png"], ["ends in .png", "leave one"]),
    "unknown ending": (["RUN", "--out", "a.avi"], ["'avi'", "Known: gif, mp4, png"]),
    "no such place": (["RUN", "--out", "nowhere/a.gif"], ["nowhere/a.gif", "choose another --out"]),
    "unwritable place": (["RUN", "--out", "/proc/a.gif"], ["/proc/a.gif", "choose another --out"]),
    "a folder": (["RUN", "--out", "."], ["cannot be written to .", "choose another --out"]),
    "no folder": (["nothing"], ["nothing is not an existing folder", "give the folder"]),
    "no agent": (["."], ["neither a run nor a checkpoint"]),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_mistake_is_named_with_its_cure(case: str, run: Path, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, expected = FAULTS[case]
    complain(capfd, [run if word == "RUN" else word for word in words], expected)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".gif", ".png", ".part"}]


def complain(capfd, words: list[Any], expected: list[str]) -> None:
    assert arlbench("play", *words) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1
    for part in expected:
        assert part in printed.err


def test_an_environment_that_cannot_be_drawn_is_named(tmp_path: Path, capfd) -> None:
    run = write_run(tmp_path / "run", FORWARD, name="Unseen")
    complain(capfd, [run], ["Unseen cannot be drawn"])
    assert not (run / "play.gif").exists()


def test_a_missing_extra_is_named_before_anything_is_played(run: Path, monkeypatch, capfd) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    complain(capfd, [run, "--format", "mp4"], ["pip install 'arlbench[mp4]'"])


def test_a_missing_library_of_the_environment_is_named(run: Path, monkeypatch, capfd) -> None:
    monkeypatch.setitem(sys.modules, "drawn_framework", None)
    complain(capfd, [run], ["framework 'drawn' needs a package", "pip install"])


def test_damaged_parameters_are_named(run: Path, capfd) -> None:
    (run / "params-seed-0.npz").write_bytes(b"PK nothing")
    complain(capfd, [run], ["params-seed-0.npz is damaged", "train again"])
