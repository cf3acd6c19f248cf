"""The house's plan: imports point one way, and nothing grows too long to read."""

from __future__ import annotations

import ast
import graphlib
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

# The face of the contract, dqn.py, is documentation for the most part.
MAX_FILE_LINES = 380
MAX_FUNCTION_LINES = 55

# What the modules of each package may import of the others; "." is arlbench/__init__.py.
MAY_IMPORT = {
    "errors": set(),
    "runtime": set(),
    ".": {"runtime", "core", "autorl"},
    "core": {"errors"},
    "autorl": {"population", "core", "errors"},
    "runs": {"autorl", "core", "errors"},
    "population": {"core", "errors"},
    "sweeps": {"population", "core", "errors"},
    # Reports read files, so they can be made where nothing was trained.
    "report": {"errors"},
    "cli": {".", "report", "runs", "sweeps", "population", "core", "errors"},
}

# The same within core. The modules that lie directly in it are tools for the rest.
CORE_TOOLS = {
    "checks",
    "lazy_imports",
    "lockstep",
    "memory",
    "observations",
    "randomness",
    "running_statistics",
    "stopwatch",
    "text_values",
}
MAY_IMPORT_IN_CORE = {
    **{tool: set() for tool in CORE_TOOLS},
    "randomness": {"lockstep"},
    ".": set(),
    "buffers": {"lockstep"},
    "environments": {"checks", "lazy_imports", "observations"},
    "checkpoints": set(),
    "algorithms": {"buffers", "checkpoints", "environments", *CORE_TOOLS},
}


def imported_modules(name: str) -> set[str]:
    """The modules of this package that a module imports anywhere in its text."""
    imported = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imported.add(submodule if submodule in MODULES else str(node.module))
    return {module for module in imported if module.split(".")[0] == "arlbench"}


IMPORTS = {name: imported_modules(name) for name in MODULES}


def room(module: str, package: str) -> str | None:
    """The part of a package that a module lies in, "." for the package itself."""
    if module == package:
        return "."
    if not module.startswith(f"{package}."):
        return None
    return module.removeprefix(f"{package}.").split(".")[0]


def wrong_ways(package: str, may_import: dict[str, set[str]]) -> Iterator[str]:
    """Imports between the rooms of a package that the plan does not have."""
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


@pytest.mark.parametrize(
    ("package", "may_import"),
    [("arlbench", MAY_IMPORT), ("arlbench.core", MAY_IMPORT_IN_CORE)],
    ids=["arlbench", "core"],
)
def test_every_room_has_its_place_in_the_plan(
    package: str, may_import: dict[str, set[str]]
) -> None:
    rooms = {room(module, package) for module in MODULES} - {None}
    assert rooms == may_import.keys()


@pytest.mark.parametrize(
    ("package", "may_import"),
    [("arlbench", MAY_IMPORT), ("arlbench.core", MAY_IMPORT_IN_CORE)],
    ids=["arlbench", "core"],
)
def test_imports_point_one_way(package: str, may_import: dict[str, set[str]]) -> None:
    assert list(wrong_ways(package, may_import)) == []


def test_the_plan_itself_has_no_circle() -> None:
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()
    graphlib.TopologicalSorter(MAY_IMPORT_IN_CORE).prepare()


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Raises a CycleError that names the circle.
    graphlib.TopologicalSorter(IMPORTS).prepare()


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The length of a function, its signature included and its docstring not."""
    length = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        length -= (first.end_lineno or 0) - first.lineno + 1
    return length


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
