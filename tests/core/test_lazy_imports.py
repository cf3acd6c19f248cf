"""Imports that do not run until they are first used."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

import arlbench
import arlbench.autorl
import arlbench.population
import arlbench.tuning
from arlbench.core.lazy_imports import deferred

FILES = {
    "lazy_probe.py": "import builtins; builtins.lazy_probe_ran.append('lazy_probe'); value = 1",
    "lazy_other.py": "import builtins; builtins.lazy_probe_ran.append('lazy_other'); value = 2",
    "lazy_package/__init__.py": "import builtins; builtins.lazy_probe_ran.append('lazy_package')",
    "lazy_package/part.py": "import builtins; builtins.lazy_probe_ran.append('part'); value = 3",
    "lazy_user.py": """
        import lazy_probe

        def used():
            return lazy_probe.value
    """,
    "lazy_broken.py": "raise RuntimeError('broken')",
}


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A list to which the modules above add their names when they run."""
    names: list[str] = []
    monkeypatch.setattr("builtins.lazy_probe_ran", names, raising=False)
    for name, source in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield names
    for name in [name for name in sys.modules if name.startswith("lazy_")]:
        del sys.modules[name]


def test_a_deferred_module_runs_at_its_first_use(ran):
    with deferred("lazy_probe"):
        module = importlib.import_module("lazy_probe")
    assert ran == []
    assert module.value == 1
    assert ran == ["lazy_probe"]
    assert module.value == 1
    assert ran == ["lazy_probe"]


def test_other_modules_run_as_usual(ran):
    with deferred("lazy_probe"):
        other = importlib.import_module("lazy_other")
        assert ran == ["lazy_other"]
    assert other.value == 2


def test_code_that_does_use_a_deferred_module_finds_it_complete(ran):
    with deferred("lazy_probe"):
        user = importlib.import_module("lazy_user")
    assert ran == []
    assert user.used() == 1
    assert ran == ["lazy_probe"]


def test_a_part_of_a_package_can_be_deferred_alone(ran):
    with deferred("lazy_package.part"):
        part = importlib.import_module("lazy_package.part")
    assert ran == ["lazy_package"]
    assert part.value == 3
    assert ran == ["lazy_package", "part"]


def test_after_the_context_imports_run_at_once(ran):
    finders = list(sys.meta_path)
    with deferred("lazy_probe"):
        assert sys.meta_path != finders
    assert sys.meta_path == finders
    importlib.import_module("lazy_probe")
    assert ran == ["lazy_probe"]


def test_an_error_within_the_context_leaves_no_trace(ran):
    finders = list(sys.meta_path)
    with pytest.raises(RuntimeError, match="broken"), deferred("lazy_probe"):
        importlib.import_module("lazy_broken")
    assert sys.meta_path == finders


def test_a_module_that_was_imported_before_stays_as_it_was(ran):
    before = importlib.import_module("lazy_probe")
    with deferred("lazy_probe"):
        assert importlib.import_module("lazy_probe") is before
    assert ran == ["lazy_probe"]


def test_a_module_that_does_not_exist_is_missing_at_once():
    with deferred("lazy_missing"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("lazy_missing")


def test_contexts_can_be_nested(ran):
    with deferred("lazy_probe"):
        with deferred("lazy_other"):
            importlib.import_module("lazy_other")
        probe = importlib.import_module("lazy_probe")
    assert ran == []
    assert probe.value == 1
    assert sys.modules["lazy_other"].value == 2
    assert ran == ["lazy_probe", "lazy_other"]


@pytest.mark.parametrize(
    "package", [arlbench, arlbench.autorl, arlbench.population, arlbench.tuning]
)
def test_public_names_are_listed_before_they_are_used(package) -> None:
    assert set(package.__all__) <= set(dir(package))
    assert "__name__" in dir(package)
