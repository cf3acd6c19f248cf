"""The Python code in the documentation runs as written, page by page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace

from arlbench import DQN
from arlbench.core.environments.wrappers import registry
from in_process import arlbench

DOCS = Path(__file__).parents[1] / "docs"

# Blocks of Python on each page.
PAGES = {
    page.name: blocks
    for page in sorted(DOCS.glob("*.md"))
    if (blocks := re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
}

# Arrow's types, and their names on the page on sweeps.
TYPES = {
    "int64": "int64", "double": "float64", "string": "string",
    "list<item: float>": "list of float32",
}  # fmt: skip


def run(page: str) -> dict[str, object]:
    """Runs the blocks of a page in order; returns the names that they define."""
    names: dict[str, object] = {}
    for block in PAGES[page]:
        exec(compile(block, page, "exec"), names)
    return names


def test_the_page_on_the_extended_space() -> None:
    names = run("rainbow.md")
    assert {"double_q", "n_step"} <= set(names["space"])  # type: ignore[call-overload]
    dqn = names["of_a_study"]
    assert dqn.structure.extensions.n_step == 5  # type: ignore[attr-defined]


def test_every_page_with_python_has_a_test_here() -> None:
    pages = {
        "autorl.md",
        "checkpoints.md",
        "environments.md",
        "rainbow.md",
        "sweeps.md",
        "tuning.md",
    }
    assert pages == PAGES.keys()


@pytest.mark.thorough
def test_the_examples_on_checkpoints_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(PAGES["checkpoints.md"]) == 8
    # The page's first command, but shorter.
    words = ("CartPole-v1", "--timesteps", "3e3", "--out", "runs/long", "--seeds", "1", "--quiet")
    assert arlbench("train", *words) == 0
    names = run("checkpoints.md")
    printed = capsys.readouterr().out
    # This is what the page says is printed.
    assert "checkpoints/checkpoint-000001\nhalf-way ()\n(2, 4)\n" in printed
    assert "params/out/kernel" in printed
    assert names["episode_return"] >= 8
    assert f"final parameters {names['episode_return']}\n" in printed
    assert f"```\n{names['complaint']}\n```" in (DOCS / "checkpoints.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoints",
        "within",
        "best",
        "rows",
        "runs",
    }


@pytest.mark.thorough
def test_the_examples_on_sweeps_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = run("sweeps.md")
    assert capsys.readouterr().out.startswith("12\n")
    assert len(names["by_config"]) == 3
    assert names["unordered"].num_rows == 12
    folder = tmp_path / "runs" / "example"
    assert {path.name for path in folder.iterdir()} >= {
        "design.json", "landscape.png", "curves.png",
    }  # fmt: skip


def test_the_page_on_sweeps_names_every_column_and_samplers_that_exist() -> None:
    from arlbench.experiments.samplers import sampler_names
    from arlbench.experiments.table import RESULT_FIELDS

    text = (DOCS / "sweeps.md").read_text()
    for field in RESULT_FIELDS:
        assert f"| `{field.name}` | {TYPES[str(field.type)]} |" in text
    table = text.partition("| sampler |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert {"sobol", "random", "grid", "file"} <= set(named) <= set(sampler_names())


@pytest.mark.thorough
def test_the_examples_on_autorl_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from arlbench.autorl import objectives, state_features

    monkeypatch.chdir(tmp_path)
    # Removes afterwards what the page registers.
    monkeypatch.setattr(objectives, "_objectives", dict(objectives._objectives))
    monkeypatch.setattr(state_features, "_features", dict(state_features._features))
    names = run("autorl.md")
    assert "[   1 4096]" in capsys.readouterr().out
    assert names["obs"]["return_history"].shape == (4, 2)
    assert (tmp_path / "checkpoints" / "schedule" / "checkpoint-000002").is_dir()
    assert (tmp_path / "generation-2" / "default_checkpoint" / "checkpoint-000001").is_dir()


def test_the_page_on_autorl_names_every_objective_and_feature() -> None:
    from arlbench.autorl import objectives, state_features

    text = (DOCS / "autorl.md").read_text()
    for name in (*objectives._objectives, *state_features._features):
        assert f"| `{name}` |" in text


@pytest.mark.thorough
def test_the_examples_on_tuning_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # A tuner of one's own is about twenty lines.
    assert len(PAGES["tuning.md"][0].splitlines()) <= 24
    names = run("tuning.md")
    assert capsys.readouterr().out.splitlines() == [
        "finished 8 2000", "(8, 3)", "Climber 1 8.0", "['mean', 'low', 'high']", "8 2000 1.0"
    ]  # fmt: skip
    assert names["table"]["test_objective"].notna().any()
    folder = tmp_path / "runs" / "climber"
    assert {path.name for path in folder.iterdir()} >= {"study.json", "journal.jsonl"}


def test_the_study_file_on_the_page_on_tuning_is_one(tmp_path: Path) -> None:
    from arlbench.cli.study_files import SECTIONS, options_of_file

    text, *_ = re.findall(r"```yaml\n(.*?)```", (DOCS / "tuning.md").read_text(), re.DOTALL)
    (tmp_path / "study.yaml").write_text(text)
    options = options_of_file(tmp_path / "study.yaml")
    assert options["tuner"] == "hyperband"
    assert options["words"]["buffer_epsilon"] == "1e-7..1e-3:log"
    assert all(f"\n{section}:" in f"\n{text}" for section in SECTIONS)


def test_the_page_on_tuning_names_every_tuner_and_setting() -> None:
    from arlbench.tuning.tuner import settings_of
    from arlbench.tuning.tuners import tuner_class, tuner_names

    rows = re.findall(
        r"^\| `(\w+)` \| .* \| (.*)\|$", (DOCS / "tuning.md").read_text(), re.MULTILINE
    )
    table = {name: set(re.findall(r"`(\w+)`", settings)) for name, settings in rows}
    for name in tuner_names():
        assert table[name] == set(settings_of(tuner_class(name)))


def test_the_page_on_tuning_gives_the_defaults_of_settings() -> None:
    from arlbench.tuning.tuner import settings_of
    from arlbench.tuning.tuners import tuner_class, tuner_names

    text = (DOCS / "tuning.md").read_text()
    table = text.partition("| setting | default |")[2].partition("\n\n")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))
    assert documented.pop("n_configs") == "as many as leave one trial at the end"
    assert documented.pop("n_steps") == "one for each evaluation"
    found = [settings_of(tuner_class(name)).items() for name in tuner_names()]
    defaults = {(key, str(value)) for items in found for key, value in items if value is not None}
    assert defaults == set(documented.items())


def test_the_recipes_on_machines_can_be_read(tmp_path: Path) -> None:
    text = (DOCS / "machines.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    (manifest,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    job = yaml.safe_load(manifest)
    assert job["kind"] == "RayJob"
    assert {"headGroupSpec", "workerGroupSpecs"} < job["spec"]["rayClusterSpec"].keys()
    # The version of Ray that was tested.
    pinned = (DOCS.parent / "constraints" / "python3.11.txt").read_text()
    assert f"ray=={job['spec']['rayClusterSpec']['rayVersion']}\n" in pinned


def test_the_examples_on_environments_run_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    run("environments.md")
    assert capsys.readouterr().out.startswith("100\n50\n(12,)\n")


@pytest.mark.parametrize("name", ["environment_learning", "environment_speed"])
def test_the_tables_on_environments_are_those_that_were_measured(name: str) -> None:
    measured = DOCS.parent / "benchmarks" / "results" / f"{name}.md"
    rows = [line for line in measured.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) > 2
    assert "\n".join(rows) in (DOCS / "environments.md").read_text()


def test_every_wrapper_is_on_the_page() -> None:
    page = (DOCS / "environments.md").read_text()
    for name, cls in registry.known().items():
        assert f"| `{name}` | `{cls.__name__}" in page


def test_the_tables_of_hyperparameters_are_those_of_dqn() -> None:
    page = (DOCS / "hyperparameters.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \| (.*) \|$", page, re.MULTILINE)
    declared = {
        **described(DQN.get_hpo_config_space()),
        **described(DQN.get_nas_config_space()),
    }
    assert {name: (default, searched) for name, default, searched in rows} == declared


def described(space: ConfigurationSpace) -> dict[str, tuple[str, str]]:
    """The default and the searched values of each hyperparameter, as the page writes them."""
    found = {}
    for hyperparameter in space.values():
        if isinstance(hyperparameter, CategoricalHyperparameter):
            searched = ", ".join(map(str, hyperparameter.choices))
        else:
            searched = f"{hyperparameter.lower} to {hyperparameter.upper}"
            searched += ", logarithmic" * hyperparameter.log
        found[hyperparameter.name] = (str(hyperparameter.default_value), searched)
    return found
