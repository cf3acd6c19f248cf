"""``arlbench compare``: its table at any width, its files, and mistakes in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from arlbench.cli.compare import table
from arlbench.tuning import compare, tune_repeats
from fake_studies import FIXED, WORDS, FakePopulation, study
from in_process import arlbench


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """Four repeats of random search, and a study that is not repeated nor tested."""
    folder = tmp_path_factory.mktemp("studies")
    tune_repeats(
        FIXED, "random", repeats=4, folder=folder / "random", train=FakePopulation(), words=WORDS,
        n_trials=2, seeds=(0, 1), test_seeds=(100,),
    )  # fmt: skip
    study(folder / "single", "sobol", n_trials=2, test_seeds=())
    return [folder / "random", folder / "single"]


ROWS = pd.DataFrame(
    {
        "tuner": ["random", "smac_hyperband"],
        "repeats": [5, 3],
        "trials": [32.0, 60.5],
        "total_steps": [4_800_000.0, 3_049_727.6],
        "tuning_return": [480.0, 500.0],
        "tuning_low": [470.25, 499.0],
        "tuning_high": [489.75, 501.0],
        "tuning_spread": ["95 % interval", "range of repeats"],
        "tested": [5, 0],
        "test_return": [0.5, float("nan")],
        "test_low": [0.25, float("nan")],
        "test_high": [0.75, float("nan")],
        "test_spread": ["95 % interval", ""],
    },
    index=["random", "hyperband"],
)


def test_the_table_in_one_piece_and_in_two() -> None:
    wide = [line.split("  ") for line in table(ROWS)]
    cells = [[cell.strip() for cell in row if cell] for row in wide]
    assert cells[0] == [
        "study", "tuner", "repeats", "trials", "total steps", "tuning return", "interval",
        "test return", "95 % interval",
    ]  # fmt: skip
    assert cells[1] == [
        "random", "random", "5", "32", "4,800,000", "480.0", "470.2 to 489.8", "0.500",
        "0.250 to 0.750",
    ]  # fmt: skip
    assert cells[2] == [
        "hyperband", "smac_hyperband", "3", "60.5", "3,049,728", "500.0", "499.0 to 501.0", "-",
        "-",
    ]  # fmt: skip
    narrow = table(ROWS, 80)
    assert max(map(len, narrow)) <= 80
    assert narrow[3] == ""
    assert [line.split()[0] for line in narrow if line] == ["study", "random", "hyperband"] * 2
    assert table(ROWS, 200) == table(ROWS)


def test_an_interval_that_no_study_has_is_not_a_column(folders, tmp_path, capsys) -> None:
    headings = ["tuning", "return", "interval", "test", "return"]
    untested = ROWS.assign(test_low=float("nan"), test_high=float("nan"), test_spread="")
    assert table(untested)[0].split()[-5:] == headings
    assert table(untested, 80)[4].split() == ["study", *headings]
    assert arlbench("compare", folders[1], "--out", tmp_path) == 0
    first = capsys.readouterr().out.splitlines()[0].split()
    assert first[-4:] == ["tuning", "return", "test", "return"]


def test_the_command(folders, tmp_path, capsys) -> None:
    out = tmp_path / "paper"
    assert arlbench("compare", *folders, "--out", out, "--csv", out / "table.csv") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[1].split()[:4] == ["random", "random", "4", "2"]
    assert lines[2].split()[:4] == ["single", "sobol", "1", "2"]
    assert lines[-1] == f"written: {out / 'comparison.png'}, {out / 'table.csv'}"
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")
    found = pd.read_csv(out / "table.csv", index_col=0, keep_default_na=True)
    expected = compare(folders).table
    assert found.columns.tolist() == expected.columns.tolist()
    assert found["tuning_return"].tolist() == pytest.approx(expected["tuning_return"].tolist())


def test_json_names_and_the_current_folder(folders, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert arlbench("compare", f"a={folders[0]}", f"b={folders[1]}", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["study"] for row in printed["studies"]] == ["a", "b"]
    assert printed["studies"][0]["tuning_spread"] == "95 % interval"
    assert printed["studies"][1]["tuning_low"] is None
    assert printed["studies"][1]["test_return"] is None
    assert printed["written"] == ["comparison.png"]
    assert (tmp_path / "comparison.png").exists()
    assert arlbench("compare", folders[0], "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_spreads_of_several_kinds_are_explained(folders, tmp_path, capsys) -> None:
    tune_repeats(
        FIXED, "sobol", repeats=2, folder=tmp_path / "two", train=FakePopulation(), words=WORDS,
        n_trials=2, seeds=(0, 1),
    )  # fmt: skip
    explanation = "interval: the 95 % interval of the mean, or the range of fewer than 4 repeats"
    assert arlbench("compare", folders[0], tmp_path / "two", "--out", tmp_path) == 0
    assert explanation in capsys.readouterr().out
    assert arlbench("compare", *folders, "--out", tmp_path) == 0
    assert explanation not in capsys.readouterr().out
    # In the column of tests alone: of four repeats, only two were tested.
    tune_repeats(
        FIXED, "sobol", repeats=4, folder=tmp_path / "half", train=FakePopulation(), words=WORDS,
        n_trials=2, seeds=(0, 1),
    )  # fmt: skip
    for index in range(2):
        journal = tmp_path / "half" / f"repeat-{index}" / "journal.jsonl"
        lines = [line for line in journal.read_text().splitlines() if '"test"' not in line]
        journal.write_text("\n".join([*lines, ""]))
    assert arlbench("compare", folders[0], tmp_path / "half", "--out", tmp_path) == 0
    assert explanation in capsys.readouterr().out


def test_nothing_is_written_if_there_is_no_curve(tmp_path, capsys) -> None:
    apart = tmp_path / "apart"
    tune_repeats(
        FIXED, "random", repeats=2, folder=apart, train=FakePopulation(), words=WORDS, n_trials=1,
        seeds=(0, 1), test_seeds=(),
    )  # fmt: skip
    shutil.rmtree(apart / "repeat-1")
    late = {**WORDS, "learning_rate": "0.004..0.01"}
    study(apart / "repeat-1", words=late, n_trials=8, test_seeds=())
    assert arlbench("compare", apart, "--out", tmp_path / "out") == 0
    printed, messages = capsys.readouterr()
    assert "note: apart has no curve" in messages
    assert "note:" not in printed
    assert "written" not in printed
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_sentence(folders, tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    study(tmp_path / "other", n_trials=1, seeds=(0,))
    mistakes = {
        "is not the folder of a study": [tmp_path],
        "both called 'random'": [folders[0], folders[0]],
        "the number of seeds of a trial is 2 in random and 1 in other": [
            folders[0], tmp_path / "other"
        ],
        "cannot be written": [folders[0], "--out", tmp_path / "file"],
    }  # fmt: skip
    for message, words in mistakes.items():
        assert arlbench("compare", *words, "--quiet") == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
