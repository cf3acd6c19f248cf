"""The architecture: imports point in one direction, and files and functions stay short."""

from __future__ import annotations

import ast
import graphlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
FILES = [*MODULES.values(), *sorted((ROOT / "tests").rglob("*.py"))]

# The public interface, dqn.py, is mostly documentation.
MAX_FILE_LINES = 380
MAX_FUNCTION_LINES = 45

# What the modules of each package may import from the others; "." is arlbench/__init__.py.
MAY_IMPORT = {
    "errors": set(),
    "runtime": set(),
    ".": {"runtime", "core", "autorl", "arlbench"},
    # One training in one call.
    "arlbench": {"autorl", "core", "errors"},
    "core": {"errors", "runtime"},
    "autorl": {"population", "core", "errors"},
    "population": {"core", "errors", "runtime"},
    "experiments": {"population", "core", "errors"},
    # Studies: tuners that learn from results, and statistics of several of them.
    "tuning": {"experiments", "population", "report", "core", "errors"},
    # Reports read only rows, so they do not need anything that trains.
    "report": {"errors"},
    "__main__": {"cli"},
    "cli": {".", "report", "tuning", "experiments", "population", "core", "errors"},
}

# The same within core. The modules directly in core are tools for all others.
CORE_TOOLS = {
    "checks",
    "child_process",
    "files",
    "lazy_imports",
    "lockstep",
    "memory",
    "observations",
    "own_classes",
    "promotion",
    "randomness",
    "registering",
    "running_statistics",
    "shapes",
    "logs",
    "stopwatch",
    "text_values",
    "tracebacks",
    "tracing",
    "yaml_text",
}
MAY_IMPORT_IN_CORE: dict[str, set[str]] = {
    **{tool: set() for tool in CORE_TOOLS},
    "randomness": {"lockstep"},
    "own_classes": {"tracebacks"},
    ".": set(),
    "buffers": {"lockstep", "shapes"},
    "environments": {
        "checks",
        "child_process",
        "lazy_imports",
        "lockstep",
        "observations",
        "promotion",
        "tracebacks",
        "tracing",
    },
    "checkpoints": {"files", "shapes"},
    "algorithms": {"buffers", "checkpoints", "environments", *CORE_TOOLS},
    "problem": {"algorithms", "checks", "environments"},
}

# The same within the environments; "." is what other packages see of them.
MAY_IMPORT_IN_ENVIRONMENTS: dict[str, set[str]] = {
    "spec": set(),
    "listing": set(),
    "actions": set(),
    "catalogue": {"listing"},
    "published": {"actions"},
    "environment": {"actions", "spec"},
    "vectorised": {"environment"},
    "faults": set(),
    "wrappers": {"actions", "environment", "spec"},
    "adapters": {
        "actions",
        "environment",
        "faults",
        "listing",
        "published",
        "spec",
        "vectorised",
    },
    "registry": {
        "adapters",
        "catalogue",
        "environment",
        "listing",
        "published",
        "spec",
        "wrappers",
    },
    ".": {"environment", "listing", "registry", "spec", "vectorised"},
}

# The same within the algorithms: shared code does not import any algorithm.
MAY_IMPORT_IN_ALGORITHMS: dict[str, set[str]] = {
    # Public names, imported when they are used.
    ".": {"algorithm", "dqn"},
    "possible": set(),
    "declarations": {"possible"},
    "convolutions": {"layers"},
    "layers": set(),
    "two_layers": set(),
    "harness": set(),
    "algorithm": {"declarations", "harness"},
    "descriptions": {"algorithm", "declarations"},
    "state_parts": {"algorithm", "harness"},
    "checkpointing": {"algorithm", "descriptions", "harness", "state_parts"},
    "framing": set(),
    "measured": {"algorithm", "harness"},
    "dqn": {
        "algorithm",
        "convolutions",
        "declarations",
        "framing",
        "harness",
        "layers",
        "possible",
        "two_layers",
    },
    # It imports an algorithm when it is used.
    "registry": {"algorithm", "dqn"},
}

PLANS = {
    "arlbench": MAY_IMPORT,
    "arlbench.core": MAY_IMPORT_IN_CORE,
    "arlbench.core.algorithms": MAY_IMPORT_IN_ALGORITHMS,
    "arlbench.core.environments": MAY_IMPORT_IN_ENVIRONMENTS,
}

# Modules whose tables name other modules, which are imported when used, as in public_names.
REGISTRIES = {"arlbench.core.algorithms.registry", "arlbench.core.environments.registry"}


def named_modules(node: ast.AST) -> set[str]:
    """The modules of this package that are named by strings in a part of a module."""
    texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {text for text in texts if isinstance(text, str) and text in MODULES} - {"arlbench"}


def calls_of(tree: ast.AST, name: str) -> list[ast.Call]:
    """The calls of a function by its name alone."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == name]


def started_programs(tree: ast.AST) -> set[str]:
    """The modules with which other processes are started, by ``-m``; nothing imports them."""
    lists = (node.elts for node in ast.walk(tree) if isinstance(node, ast.List))
    words = ([getattr(part, "value", None) for part in elements] for elements in lists)
    return {after for some in words for word, after in itertools.pairwise(some) if word == "-m"}


def tabled_modules(name: str) -> set[str]:
    """The modules in the tables of a module, which are imported when first used."""
    tree = ast.parse(MODULES[name].read_text())
    tables = [tree] if name in REGISTRIES else calls_of(tree, "public_names")
    return {module for table in tables for module in named_modules(table)}


def imported_modules(name: str) -> set[str]:
    """The modules of this package that a module imports anywhere in its text or tables."""
    imported = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imported.add(submodule if submodule in MODULES else str(node.module))
    imported |= tabled_modules(name)
    return {module for module in imported if module.split(".")[0] == "arlbench"}


IMPORTS = {name: imported_modules(name) for name in MODULES}


def room(module: str, package: str) -> str | None:
    """The part of a package that contains a module; "." is the package itself."""
    if module == package:
        return "."
    if not module.startswith(f"{package}."):
        return None
    return module.removeprefix(f"{package}.").split(".")[0]


def wrong_ways(package: str, may_import: dict[str, set[str]]) -> Iterator[str]:
    """Imports between the parts of a package that are not allowed."""
    for module, imported in IMPORTS.items():
        here = room(module, package)
        if here is None:
            continue
        for other in sorted(imported):
            there = room(other, package)
            if there not in {None, here} and there not in may_import[here]:
                yield f"{module} imports {other}"


def test_every_imported_module_exists() -> None:
    unknown = {other for imported in IMPORTS.values() for other in imported} - MODULES.keys()
    assert unknown == set()


@pytest.mark.parametrize(("package", "may_import"), PLANS.items(), ids=PLANS)
def test_every_room_has_its_place_in_the_plan(
    package: str, may_import: dict[str, set[str]]
) -> None:
    rooms = {room(module, package) for module in MODULES} - {None}
    assert rooms == may_import.keys()


@pytest.mark.parametrize(("package", "may_import"), PLANS.items(), ids=PLANS)
def test_imports_point_one_way(package: str, may_import: dict[str, set[str]]) -> None:
    assert list(wrong_ways(package, may_import)) == []


@pytest.mark.parametrize("package", PLANS)
def test_the_plan_itself_has_no_circle(package: str) -> None:
    graphlib.TopologicalSorter(PLANS[package]).prepare()


def test_tables_are_followed() -> None:
    adapter = "arlbench.core.environments.adapters.gymnax_adapter"
    assert adapter in IMPORTS["arlbench.core.environments.registry"]
    assert "arlbench.core.algorithms.dqn" in IMPORTS["arlbench.core.algorithms.registry"]
    assert "arlbench.core.environments" in IMPORTS["arlbench"]


@pytest.mark.parametrize("name", MODULES)
def test_only_tables_name_modules_by_strings(name: str) -> None:
    """An import by a string would avoid these checks."""
    tree = ast.parse(MODULES[name].read_text())
    assert named_modules(tree) - tabled_modules(name) - started_programs(tree) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Raises a CycleError that names the circle.
    graphlib.TopologicalSorter(IMPORTS).prepare()


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The length of a function's body without its docstring; a command has many options."""
    statements = function.body[ast.get_docstring(function) is not None :]
    return (function.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_read(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    too_long = [
        f"{node.name} has {length} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and (length := lines_of(node)) > MAX_FUNCTION_LINES
    ]
    assert too_long == []
