"""Files of configurations: the published table as it is, and all kinds of errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from arlbench.errors import ConfigurationError
from fake_training import PROBLEM
from proposing import make_sampler

complete = PROBLEM.resolve

# Sixteen rows of the published table, in its own format.
PUBLISHED = Path(__file__).parents[2] / "learning" / "cartpole_landscape_sample.csv"


class Read(NamedTuple):
    configs: list[dict[str, Any]]
    note: str


def read(path: str | Path, words=None, n_configs=None) -> Read:
    sampler = make_sampler("file", words, file=path)
    trials = sampler.ask(sampler.n_trials if n_configs is None else n_configs)
    return Read([dict(trial.config) for trial in trials], sampler.note)


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


def test_the_path_of_a_file_may_be_a_text() -> None:
    assert read(str(PUBLISHED)) == read(PUBLISHED)


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
        # Without a decimal point, YAML 1.1 reads the rate as text.
        path.write_text("- gamma: 0.9\n- {learning_rate: 1e-3, tau: null}\n")
    assert read(path).configs == [complete({"gamma": 0.9}), complete({"learning_rate": 1e-3})]


def test_the_first_of_a_file(tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("gamma\n0.1\n0.2\n0.3\n")
    assert [config["gamma"] for config in read(path, n_configs=2).configs] == [0.1, 0.2]
    with pytest.raises(ConfigurationError, match="3 different configurations, fewer than 4"):
        read(path, n_configs=4)


def test_spaces_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("\ufeffgamma , tau\r\n0.5, 0.25\r\n\r\n")
    assert read(path).configs == [complete({"gamma": 0.5, "tau": 0.25})]


def test_a_published_table_of_results_works_as_it_is(tmp_path) -> None:
    path = tmp_path / "landscape.csv"
    path.write_text(
        ",run_id,budget,performance,seed,hp_config.learning_rate,hp_config.buffer_batch_size,"
        "hp_config.use_target_network,hp_config.tau,nas_config.hidden_size,nas_config.activation\n"
        "0,0,1000,12.5,0,0.001,64,True,0.5,32,relu\n"
        "1,0,2000,99.5,0,0.001,64,True,0.5,32,relu\n"
        "2,0,1000,13.5,1,0.001,64,True,0.5,32,relu\n"
        "3,1,1000,9.5,0,0.01,128,False,nan,64,tanh\n"
        "4,1,1000,8.5,1,0.01,128,False,,64,tanh\n"
    )
    configs, note = read(path)
    relu = {"hidden_size": 32, "activation": "relu"}
    assert configs == [
        complete({"learning_rate": 0.001, "buffer_batch_size": 64, "tau": 0.5, **relu}),
        complete({"learning_rate": 0.01, "buffer_batch_size": 128, "use_target_network": False}),
    ]
    assert note == (
        f"Columns of {path} that are not hyperparameters were ignored: one without a name, "
        "run_id, budget, performance, seed. 3 of 5 rows repeat a configuration and were merged."
    )


def test_with_prefixes_any_other_column_is_a_result(tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("Unnamed: 0,optimizer,hp_config.gamma\n0,smac,0.5\n1,pbt,0.6\n")
    configs, note = read(path)
    assert [config["gamma"] for config in configs] == [0.5, 0.6]
    assert "optimizer" in note


TABLES = {
    "semicolons": "gamma;tau;use_target_network\n0.5;0.25;True\n",
    "decimal commas": "gamma;tau;use_target_network\n0,5;2,5e-1;1\n",
    "tabs": "gamma\ttau\tuse_target_network\n0.5\t0.25\t1.0\n",
    "an index of pandas": ",gamma,tau,use_target_network\n0,0.5,0.25,true\n",
    "flags as numbers": "gamma,tau,use_target_network,buffer_prio_sampling\n0.5,0.25,1.0,0.0\n",
    "no values": "gamma,tau,use_target_network,train_freq\n0.5,0.25,None,NaN\n",
    "no values in other words": "gamma,tau,train_freq,gradient_steps\n0.5,0.25,<NA>,null\n",
    "whole numbers as fractions": "gamma,tau,train_freq\n0.5,0.25,4.0\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_other_programs_work(kind, tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(TABLES[kind])
    assert read(path).configs == [complete({"gamma": 0.5, "tau": 0.25})]


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_groups_of_hyperparameters_work(suffix, tmp_path) -> None:
    path = tmp_path / f"c.{suffix}"
    row = {"hp_config": {"gamma": 0.5}, "nas_config": {"hidden_size": 8}, "seed": 3}
    path.write_text(json.dumps([row]))
    assert read(path).configs == [complete({"gamma": 0.5, "hidden_size": 8})]


def test_what_comes_again_counts_once_whatever_is_inactive(tmp_path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("use_target_network,tau,gamma\nFalse,0.1,0.5\nFalse,0.2,0.50\nTrue,0.1,0.5\n")
    configs, note = read(path)
    assert configs == [
        complete({"use_target_network": False, "gamma": 0.5}),
        complete({"tau": 0.1, "gamma": 0.5}),
    ]
    assert note == "1 of 3 rows repeats a configuration and was merged."


FAULTS = {
    "unknown column": ("a.csv", "gamma,learning_rte\n0.9,1\n", "'learning_rte'.*'learning_rate'"),
    "column unlike any": ("a.csv", "gamma,zzz\n0.9,x\n", "'zzz'.*Known: buffer_size"),
    "unknown key": ("a.json", '[{"gama": 0.9}]', "'gama'.*'gamma'"),
    "key that is not text": ("a.yaml", "- {1: 2}\n", "column '1'"),
    "column with a prefix": ("a.csv", "hp_config.gama,x\n1,2\n", "'hp_config.gama'.*'gamma'"),
    "one in two columns": ("a.csv", "hp_config.gamma,gamma\n1,1\n", "two columns for 'gamma'"),
    "a flag of two": ("a.csv", "use_target_network\n2\n", "configuration 0: use_target_network"),
    "impossible value": ("a.csv", "gamma\n0.9\n7\n", "configuration 1: gamma must be between"),
    "word for a number": ("a.csv", "gamma\nhigh\n", "configuration 0: gamma must be a finite"),
    "too few cells": ("a.csv", "gamma,tau\n0.9\n", "line 2: the number of cells"),
    "too many cells": ("a.csv", "gamma\n0.9,1\n", "line 2: the number of cells"),
    "a column twice": ("a.csv", "gamma,gamma\n0.9,0.8\n", "two columns called 'gamma'"),
    "nothing": ("a.csv", "", "not contain any configurations"),
    "a header alone": ("a.csv", "gamma\n", "not contain any configurations"),
    "an empty list": ("a.json", "[]", "not contain any configurations"),
    "empty yaml": ("a.yaml", "", "list of mappings"),
    "a mapping": ("a.json", '{"gamma": 0.9}', "list of mappings"),
    "a list of numbers": ("a.yaml", "[1, 2]", "list of mappings"),
    "a list as a value": ("a.yaml", "- gamma: [0.9, 0.8]\n", "configuration 0: gamma"),
    "not json": ("a.json", "[{]", "is not valid JSON"),
    "not yaml": ("a.yaml", "- {gamma: 0.9\n- [", "is not valid YAML .*line"),
    "another kind of file": ("a.txt", "gamma\n0.9\n", r"in \.yaml, \.json, \.csv or \.parquet"),
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


def test_a_table_in_parquet_is_read_as_one_in_csv(tmp_path) -> None:
    import pandas as pd

    rows = {"learning_rate": [1e-3, 1e-4, 1e-3], "seed": [0, 0, 1], "use_target_network": [1, 0, 1]}
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").configs == read(tmp_path / "a.csv").configs
    sampler = make_sampler("file", file=tmp_path / "a.parquet")
    assert sampler.rows == [0, 1]


def test_the_table_of_a_sweep_is_read(tmp_path) -> None:
    from arlbench.experiments import parts
    from fake_training import fill, make_experiment

    fill(tmp_path / "sweep", make_experiment())
    (_, part), *_ = parts.numbered(tmp_path / "sweep")
    configs = read(part).configs
    rates = [10.0 ** (-5 + 3 * i / 4) for i in range(3)]
    assert {config["learning_rate"] for config in configs} <= {*rates, 0.1}


def test_a_file_that_only_looks_like_parquet_is_named(tmp_path) -> None:
    (tmp_path / "a.parquet").write_text("gamma\n0.9\n")
    with pytest.raises(ConfigurationError, match="it is not a Parquet file"):
        read(tmp_path / "a.parquet")
    with pytest.raises(ConfigurationError, match="No such file"):
        read(tmp_path / "none.parquet")
