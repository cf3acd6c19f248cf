"""Studies side by side: their table, their curves on one grid, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from arlbench.errors import ConfigurationError, StorageError
from arlbench.report.statistics import mean_interval
from arlbench.tuning import compare, load, tune_repeats
from arlbench.tuning.comparing import named_folders
from arlbench.tuning.folder import REPEATS
from fake_studies import FIXED, WORDS, FakePopulation, study

#: Every configuration diverges.
DIVERGING = {**WORDS, "learning_rate": "0.006..0.01"}

#: Most configurations diverge, the first ones too.
LATE = {**WORDS, "learning_rate": "0.004..0.01"}


def repeated(folder: Path, repeats: int, tuner: str = "random", train=None, **settings) -> Path:
    given = {"words": WORDS, "n_trials": 4, "parallel": 2, "seeds": (0, 1), "test_seeds": (100,)}
    tune_repeats(
        FIXED, tuner, repeats=repeats, folder=folder, train=train or FakePopulation(),
        **{**given, **settings},
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Four repeats of random search, three of Sobol points, and a study that is not repeated."""
    folder = tmp_path_factory.mktemp("studies")
    study(folder / "single", n_trials=4, test_seeds=())
    return {
        "random": repeated(folder / "random", 4),
        "sobol": repeated(folder / "sobol", 3, "sobol"),
        "single": folder / "single",
    }


def test_the_table_has_the_means_over_repeats(folders) -> None:
    table = compare(folders.values()).table
    assert table.index.tolist() == ["random", "sobol", "single"]
    assert table["tuner"].tolist() == ["random", "sobol", "random"]
    assert table["repeats"].tolist() == [4, 3, 1]
    assert table["trials"].tolist() == [4, 4, 4]
    assert table["tuning_spread"].tolist() == ["95 % interval", "range of repeats", ""]
    assert table["tested"].tolist() == [4, 3, 0]
    assert np.isnan(table.loc["single", ["tuning_low", "test_return", "test_low"]].tolist()).all()
    best = {name: load(path).incumbents for name, path in folders.items() if name != "single"}
    row, found = table.loc["sobol"], best["sobol"]["objective"]
    ends = [found.mean(), found.min(), found.max()]
    assert row[["tuning_return", "tuning_low", "tuning_high"]].tolist() == pytest.approx(ends)
    row, found = table.loc["random"], best["random"]["test_objective"].to_numpy()
    expected = [float(value) for value in mean_interval(found)]
    assert row[["test_return", "test_low", "test_high"]].tolist() == pytest.approx(expected)
    costs = [load(folders["random"]).trials.loc[i, "cost"].sum() for i in range(4)]
    assert row["total_steps"] == np.mean(costs)


def test_curves_share_a_grid_and_end_as_the_table_says(folders) -> None:
    found = compare([folders["random"], folders["sobol"]])
    returns, curves = found.returns, found.curves
    assert returns.columns.tolist() == [("random", i) for i in range(4)] + [
        ("sobol", i) for i in range(3)
    ]
    assert curves.index.equals(returns.index)
    assert curves.index.is_monotonic_increasing
    for name, repeats in (("random", 4), ("sobol", 3)):
        of_repeats = [load(folders[name]).trials.loc[i] for i in range(repeats)]
        known = curves[name].dropna()
        # The repeats end within a few steps of each other.
        assert known.index[-1] == max(trials["cost"].sum() for trials in of_repeats)
        last = known.iloc[-1].tolist()
        assert (
            last == found.table.loc[name, ["tuning_return", "tuning_low", "tuning_high"]].tolist()
        )
        for i, trials in enumerate(of_repeats):
            spent = trials["cost"].cumsum()
            for at in known.index:
                best = trials["objective"][spent <= at].max()
                assert returns.loc[at, (name, i)] == pytest.approx(best)
    whole = returns["sobol"].dropna().to_numpy()
    np.testing.assert_allclose(curves["sobol"].dropna()["mean"], whole.mean(axis=1))
    np.testing.assert_allclose(curves["sobol"].dropna()["low"], whole.min(axis=1))


def test_folders_are_named(tmp_path, monkeypatch) -> None:
    (tmp_path / "eta=3").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = named_folders(["runs/a", "b=runs/a", str(tmp_path / "eta=3"), Path("c=d"), "."])
    assert list(found) == ["a", "b", "eta=3", "c=d", "here"]
    assert found["a"] == found["b"] == Path("runs/a")
    with pytest.raises(ConfigurationError, match=r"runs/a and others/a are both called 'a'; give"):
        named_folders(["runs/a", "others/a"])
    for mistake in ("=runs", "a="):
        with pytest.raises(ConfigurationError, match="is not of the form FOLDER or NAME=FOLDER"):
            named_folders([mistake])
    with pytest.raises(ConfigurationError, match="a list of folders"):
        named_folders("runs")
    with pytest.raises(ConfigurationError, match="one or more studies"):
        named_folders([])


OTHERS = {
    "environment": (
        {"problem": FIXED.replace(env_spec=FIXED.env_spec.wrapped("flatten", {}))},
        r"wrappers of env_spec is null in random and \[\[.flatten., {}\]\] in other",
    ),
    "length": (
        {"problem": FIXED.replace(n_total_timesteps=1800)},
        "n_total_timesteps is 900 in random and 1800 in other",
    ),
    "fixed": (
        {"problem": FIXED.replace(hpo_config={**FIXED.hpo_config, "gamma": 0.5})},
        "gamma is 0.99 in random and 0.5 in other",
    ),
    "fixed by a word": (
        {"words": {**WORDS, "gamma": "0.5"}},
        "gamma is 0.99 in random and 0.5 in other",
    ),
    "objective": ({"objective": "area"}, "the objective is final in random and area in other"),
    "direction": ({"minimise": True}, "minimise is false in random and true in other"),
    "seeds": ({"seeds": (0,)}, "number of seeds of a trial is 2 in random and 1 in other"),
}


@pytest.mark.parametrize(("changes", "message"), OTHERS.values(), ids=OTHERS)
def test_other_problems_are_refused(changes, message, folders, tmp_path) -> None:
    study(tmp_path / "other", **{"n_trials": 1, "test_seeds": (), **changes})
    with pytest.raises(ConfigurationError, match=message):
        compare([folders["random"], tmp_path / "other"])


def test_other_tuners_budgets_seeds_and_spaces_are_not(folders, tmp_path) -> None:
    words = {"learning_rate": "1e-4..1e-3", "buffer_batch_size": "8,16"}
    study(tmp_path / "other", "sobol", n_trials=1, seeds=(7, 8), words=words, test_seeds=())
    notes = compare([folders["random"], tmp_path / "other"]).notes
    assert "not searched by random, but by the others: buffer_batch_size" in notes
    assert "not searched by other, but by the others: use_target_network, tau" in notes
    assert "not searched in the same range by all: learning_rate" in notes
    assert not any(note.startswith("not begun") for note in notes)
    assert compare([folders["sobol"], folders["random"]]).notes == ()


def test_budgets_that_differ_are_compared_at_the_smaller_one(folders, tmp_path) -> None:
    repeated(tmp_path / "short", 4, n_trials=1, words={"learning_rate": "1e-4..1e-3"})
    found = compare([folders["random"], tmp_path / "short"])
    (note,) = [note for note in found.notes if note.startswith("the budgets differ")]
    at = found.table.loc["short", "total_steps"]
    mean = found.curves.loc[at, ("random", "mean")]
    assert f"at {at:,.0f} steps, which all have spent" in note
    assert f"random {mean:.1f}, short {found.table.loc['short', 'tuning_return']:.1f}" in note


def test_what_is_not_there_is_said(folders, tmp_path) -> None:
    # Stopped in the first trials of the third repeat, each of which has eight trainings.
    two = repeated(tmp_path / "two", 3, train=FakePopulation(stop_after=17), test_seeds=())
    note = "two has a best trial in 2 of 3 repeats; only these are counted"
    assert compare([two]).notes == (note,)
    assert compare([two]).table.loc["two", "repeats"] == 2
    # Stopped in the last trials of the second.
    half = repeated(tmp_path / "half", 2, train=FakePopulation(stop_after=13), test_seeds=())
    assert compare([half]).notes == ("half has trials that have not ended",)
    # Stopped in the test of the second.
    untested = repeated(tmp_path / "untested", 2)
    (journal,) = (untested / "repeat-1").glob("journal.jsonl")
    lines = [line for line in journal.read_text().splitlines() if '"test"' not in line]
    journal.write_text("\n".join([*lines, ""]))
    assert compare([untested]).notes == ("the test return of untested is that of 1 of 2 repeats",)
    short = repeated(tmp_path / "short", 3, "pbt", tuner_settings={"n_members": 2, "n_steps": 3})
    said = compare([short]).notes
    assert "the best trial of short ends before step 900 in 3 of its repeats" in said


def test_studies_without_a_best_trial_and_other_folders_are_refused(folders, tmp_path) -> None:
    study(tmp_path / "diverged", words=DIVERGING, n_trials=2)
    (tmp_path / REPEATS).write_text(json.dumps({"format_version": 1, "repeats": 3}))
    for name, path in (("diverged", tmp_path / "diverged"), ("planned", tmp_path)):
        with pytest.raises(ConfigurationError, match=f"{name} has no trial that ended without"):
            compare([folders["random"], f"{name}={path}"])
    with pytest.raises(StorageError, match=r"nothing does not exist; give the folder that 'arl"):
        compare([tmp_path / "nothing"])
    with pytest.raises(StorageError, match=r"not the folder of a study, because it has no study"):
        compare([folders["random"] / REPEATS])


def test_a_repeat_keeps_its_number_and_a_study_without_a_curve_is_said(folders, tmp_path) -> None:
    # The first of three repeats has no best trial.
    repeated(tmp_path / "late", 3, n_trials=1)
    shutil.rmtree(tmp_path / "late" / "repeat-0")
    study(tmp_path / "late" / "repeat-0", words=DIVERGING, n_trials=1, test_seeds=())
    found = compare([tmp_path / "late"])
    assert found.returns["late"].columns.tolist() == [1, 2]
    assert found.notes == ("late has a best trial in 2 of 3 repeats; only these are counted",)
    # The second repeat has no best trial before the first has ended.
    repeated(tmp_path / "apart", 2, n_trials=1)
    shutil.rmtree(tmp_path / "apart" / "repeat-1")
    study(tmp_path / "apart" / "repeat-1", words=LATE, n_trials=8, test_seeds=())
    assert load(tmp_path / "apart").repeats[1].incumbents[0].number > 0
    found = compare([folders["random"], tmp_path / "apart"])
    assert found.curves["apart"].isna().all(axis=None)
    note = "apart has no curve, because one of its repeats ended before each of them had a best"
    assert any(said.startswith(note) for said in found.notes)
    (told,) = [said for said in found.notes if said.startswith("the budgets differ")]
    assert "at" not in told.split()


def test_other_versions_and_devices_are_told(folders, tmp_path) -> None:
    copies = [shutil.copytree(folders["single"], tmp_path / name) for name in ("old", "older")]
    for copy in copies:
        path = copy / "study.json"
        content = json.loads(path.read_text())
        content["versions"] |= {"jax": "0.1", "device": "a card"}
        path.write_text(json.dumps(content))
    (note,) = compare([folders["single"], *copies]).notes
    jax_here = load(folders["single"]).settings.versions["jax"]
    assert note == (
        f"not begun with the same jax ({jax_here} in single; 0.1 in old, older), device (cpu in "
        "single; a card in old, older)"
    )


def test_the_order_of_choices_does_not_matter_and_the_number_of_test_seeds_does(tmp_path) -> None:
    for name, sizes, test_seeds in (("up", "8,16", (100,)), ("down", "16,8", (101, 102))):
        words = {"learning_rate": "1e-4..1e-3", "buffer_batch_size": sizes}
        study(tmp_path / name, n_trials=2, words=words, test_seeds=test_seeds)
    notes = compare([tmp_path / "up", tmp_path / "down"]).notes
    assert notes == ("the numbers of test seeds differ: 1 in up; 2 in down",)
    study(tmp_path / "more", n_trials=2, words={**words, "buffer_batch_size": "8,16,32"})
    notes = compare([tmp_path / "down", tmp_path / "more"]).notes
    assert "not searched in the same range by all: buffer_batch_size" in notes
