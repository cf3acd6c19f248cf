"""Files of configurations: the published table as it is, and every way to be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from arlbench.errors import ConfigurationError
from fake_training import PROBLEM
from proposing import make_tuner

complete = PROBLEM.resolve

# Sixteen rows of the published table, in its own format.
PUBLISHED = Path(__file__).parents[2] / "learning" / "cartpole_landscape_sample.csv"


class Read(NamedTuple):
    configs: list[dict[str, Any]]
    note: str


def read(path: Path, words=None, n_configs=None) -> Read:
    tuner = make_tuner("file", words, file=path)
    trials = tuner.ask(tuner.n_trials if n_configs is None else n_configs)
    return Read([dict(trial.config) for trial in trials], tuner.note)


def test_the_published_table_works_as_it_is() -> None:
    words = {"train_freq": "32", "gradient_steps": "128"}
    configs, note = read(PUBLISHED, words)
    lines = PUBLISHED.read_text().splitlines()
    assert len(configs) == len(lines) - 1
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    first = configs[0]
    assert first["learning_rate"] == float(cells["learning_rate"])
    assert first["buffer_batch_size"] == int(cells["buffer_batch_size"])
    assert (first["train_freq"], first["gradient_steps"]) == (32, 128)
    for column in ("run_id", "return_mean_at_5000", "return_std_at_50000_over_seeds", "n_seeds"):
        assert column in note
    assert "learning_rate" not in note


def test_empty_cells_are_defaults(tmp_path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("gamma,tau,use_target_network\n0.9,,False\n,0.5,\n")
    configs, note = read(path)
    assert configs == [
        complete({"gamma": 0.9, "use_target_network": False}),
        complete({"tau": 0.5}),
    ]
    assert note == ""


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json"])
def test_lists_of_mappings_work_in_yaml_and_json(suffix, tmp_path) -> None:
    path = tmp_path / f"configs.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps([{"gamma": 0.9}, {"learning_rate": 1e-3, "tau": None}]))
    else:
        # Without a point, YAML 1.1 takes the rate for text.
        path.write_text("- gamma: 0.9\n- {learning_rate: 1e-3, tau: null}\n")
    assert read(path).configs == [complete({"gamma": 0.9}), complete({"learning_rate": 1e-3})]


def test_the_first_of_a_file(tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("gamma\n0.1\n0.2\n0.3\n")
    assert [config["gamma"] for config in read(path, n_configs=2).configs] == [0.1, 0.2]
    with pytest.raises(ConfigurationError, match="3 configurations, fewer than 4"):
        read(path, n_configs=4)


def test_spaces_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("\ufeffgamma , tau\r\n0.5, 0.25\r\n\r\n")
    assert read(path).configs == [complete({"gamma": 0.5, "tau": 0.25})]


FAULTS = {
    "unknown column": ("a.csv", "gamma,learning_rte\n0.9,1\n", "'learning_rte'.*'learning_rate'"),
    "column unlike any": ("a.csv", "gamma,notes\n0.9,x\n", "'notes'.*Known: buffer_size"),
    "unknown key": ("a.json", '[{"gama": 0.9}]', "'gama'.*'gamma'"),
    "key that is no text": ("a.yaml", "- {1: 2}\n", "column '1'"),
    "one twice": ("a.csv", "gamma\n0.9\n0.8\n0.90\n", "number 0 and number 2"),
    "one twice but for what is inactive": (
        "a.csv", "use_target_network,tau\nFalse,0.1\nFalse,0.2\n", "number 0 and number 1.*inactive"
    ),
    "impossible value": ("a.csv", "gamma\n0.9\n7\n", "configuration 1: gamma must be between"),
    "word for a number": ("a.csv", "gamma\nhigh\n", "configuration 0: gamma must be a finite"),
    "too few cells": ("a.csv", "gamma,tau\n0.9\n", "line 2: the number of cells"),
    "too many cells": ("a.csv", "gamma\n0.9,1\n", "line 2: the number of cells"),
    "a column twice": ("a.csv", "gamma,gamma\n0.9,0.8\n", "two columns called 'gamma'"),
    "nothing": ("a.csv", "", "no configurations"),
    "a header alone": ("a.csv", "gamma\n", "no configurations"),
    "an empty list": ("a.json", "[]", "no configurations"),
    "empty yaml": ("a.yaml", "", "list of mappings"),
    "a mapping": ("a.json", '{"gamma": 0.9}', "list of mappings"),
    "a list of numbers": ("a.yaml", "[1, 2]", "list of mappings"),
    "a list as a value": ("a.yaml", "- gamma: [0.9, 0.8]\n", "configuration 0: gamma"),
    "not json": ("a.json", "[{]", "is not JSON"),
    "not yaml": ("a.yaml", "- {gamma: 0.9\n- [", "is not YAML .*line"),
    "another kind of file": ("a.txt", "gamma\n0.9\n", r"in \.yaml, \.json or \.csv"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_file(fault, tmp_path) -> None:
    name, content, named = FAULTS[fault]
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"(?s){name}.*{named}"):
        read(path)


def test_files_that_cannot_be_read_are_named(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.csv cannot be read \(No such file"):
        read(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"binary\.csv cannot be read \(it is not text"):
        read(tmp_path / "binary.csv")


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ({"gamma": "0.9"}, "gamma is given twice"),
        ({"tau": "0.1..0.5"}, "has several values"),
        ({"tau": "0.1,0.5"}, "has several values"),
        ({"taau": "0.1"}, "Did you mean 'tau'"),
    ],
)
def test_words_with_a_file_fix_what_it_leaves_open(word, named, tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("gamma\n0.5\n")
    assert read(path, {"tau": "0.5"}).configs == [complete({"gamma": 0.5, "tau": 0.5})]
    with pytest.raises(ConfigurationError, match=named):
        read(path, word)
