"""Nothing outside an algorithm's folder knows its name or its hyperparameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from arlbench import DQN

SOURCE = Path(__file__).resolve().parents[1] / "src" / "arlbench"
FOLDER = SOURCE / "core" / "algorithms" / "dqn"
MODULE = "arlbench.core.algorithms.dqn"

#: The number of files that a newcomer can read at one time.
MAX_FILES = 12

#: Names of hyperparameters that are ordinary words, and mean something else in other places.
ORDINARY = frozenset({"distribution", "exploration", "loss", "noisy"})

HYPERPARAMETERS = frozenset({*DQN.hyperparameters(), *DQN.architecture_choices()}) - ORDINARY

#: The package's public names, and the tuned configurations and published spaces of this algorithm.
MAY_NAME_IT = {
    SOURCE / "__init__.py",
    SOURCE / "core" / "algorithms" / "__init__.py",
    SOURCE / "experiments" / "presets.py",
    SOURCE / "experiments" / "published_studies.py",
}

#: In the registry: its entry in the table, and the default.
MAY_BE_ASSIGNED_IT = {
    SOURCE / "core" / "algorithms" / "registry.py": {"_ALGORITHMS", "DEFAULT_ALGORITHM"}
}

# The words of an identifier: ``DQNState`` and ``small_dqn`` contain the algorithm's name.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Fault(NamedTuple):
    """A place that names what it should not."""

    line: int
    what: str


def faults(
    tree: ast.Module, may_be_assigned: frozenset[str] | set[str] = frozenset()
) -> list[Fault]:
    """The places in a module that import or name the algorithm or one of its hyperparameters.

    Args:
        tree: The module.
        may_be_assigned: Variables whose values may name it.
    """
    passed_over = {id(part) for part in _texts_for_people(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and may_be_assigned & set(_names_of(node.targets)):
            passed_over |= {id(part) for part in ast.walk(node.value)}
    found = {
        Fault(getattr(node, "lineno", 0), fault)
        for node in ast.walk(tree)
        if id(node) not in passed_over
        for fault in _faults_of(node)
    }
    return sorted(found)


def _names_of(nodes: list[ast.expr]) -> list[str]:
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _texts_for_people(tree: ast.Module) -> Iterator[ast.AST]:
    """The docstrings, including those of attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _faults_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases):
            yield from _imports(alias.name for alias in aliases)
        case ast.ImportFrom(module=module, names=aliases):
            yield from _imports([str(module), *(f"{module}.{alias.name}" for alias in aliases)])
        case ast.Constant(value=str(text)):
            yield from _in_text(text)
        case ast.Attribute(attr=name):
            yield from _in_name(name, f".{name}", name in HYPERPARAMETERS)
        case ast.keyword(arg=str(name)):
            yield from _in_name(name, f"{name}=", name in HYPERPARAMETERS)
        case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(name=name):
            # A word such as ``activation`` may be a variable with another meaning.
            yield from _in_name(name, name, "_" in name and name in HYPERPARAMETERS)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield from _in_name(name, name, "_" in name and name in HYPERPARAMETERS)


def _imports(modules: Iterator[str] | list[str]) -> Iterator[str]:
    for module in modules:
        if module == MODULE or module.startswith(f"{MODULE}."):
            yield f"imports {MODULE}"


def _in_name(name: str, shown: str, is_hyperparameter: bool) -> Iterator[str]:
    if "dqn" in [word.lower() for word in _WORDS.findall(name)]:
        yield f"names DQN: {shown}"
    if is_hyperparameter:
        yield f"names a hyperparameter: {shown}"


def _in_text(text: str) -> Iterator[str]:
    if re.search(r"(?<![A-Za-z0-9])dqn(?![A-Za-z0-9])", text, re.IGNORECASE):
        yield f"names DQN: {text!r}"
    for name in sorted(HYPERPARAMETERS.intersection(re.findall(r"\w+", text))):
        yield f"names the hyperparameter {name}: {text!r}"


def files_to_read() -> Mapping[str, Path]:
    """All files that should not know the algorithm, by path."""
    files = (path for path in sorted(SOURCE.rglob("*.py")) if FOLDER not in path.parents)
    return {str(path.relative_to(SOURCE)): path for path in files if path not in MAY_NAME_IT}


@pytest.mark.parametrize("name", files_to_read())
def test_no_file_outside_its_folder_knows_the_algorithm(name: str) -> None:
    path = files_to_read()[name]
    found = faults(ast.parse(path.read_text()), MAY_BE_ASSIGNED_IT.get(path, frozenset()))
    assert not found, "\n" + "\n".join(f"{path}:{fault.line}: {fault.what}" for fault in found)


KNOWS_TOO_MUCH = '''
"""DQN has a learning_rate, and a docstring may say so."""
import arlbench.core.algorithms.dqn.losses
from arlbench.core.algorithms import dqn
from arlbench.core.algorithms.dqn.dqn import DQN as Learner
#: DQN, in a comment.
small_dqn = DQNState()
rate = algorithm.hp.learning_rate
make(gamma=0.9)
def train(target_update_interval): ...
read["tau"]
fail(f"set gamma to {value}, or buffer_size")
title = "Deep Q-Network (DQN)"
_ALGORITHMS = {"dqn": "arlbench.core.algorithms.dqn"}
activation, gamma, tau = my_gamma, "gammas", "target_updates"
'''


def test_faults_are_found() -> None:
    expected = [
        Fault(3, f"imports {MODULE}"),
        Fault(3, "names DQN: arlbench.core.algorithms.dqn.losses"),
        Fault(4, f"imports {MODULE}"),
        Fault(4, "names DQN: dqn"),
        Fault(5, f"imports {MODULE}"),
        Fault(5, "names DQN: DQN"),
        Fault(7, "names DQN: DQNState"),
        Fault(7, "names DQN: small_dqn"),
        Fault(8, "names a hyperparameter: .learning_rate"),
        Fault(9, "names a hyperparameter: gamma="),
        Fault(10, "names a hyperparameter: target_update_interval"),
        Fault(11, "names the hyperparameter tau: 'tau'"),
        Fault(12, "names the hyperparameter buffer_size: ', or buffer_size'"),
        Fault(12, "names the hyperparameter gamma: 'set gamma to '"),
        Fault(13, "names DQN: 'Deep Q-Network (DQN)'"),
        Fault(14, "names DQN: 'arlbench.core.algorithms.dqn'"),
        Fault(14, "names DQN: 'dqn'"),
    ]
    tree = ast.parse(KNOWS_TOO_MUCH)
    assert faults(tree) == expected
    assert faults(tree, {"_ALGORITHMS"}) == expected[:-2]


def test_the_algorithm_is_read_in_a_sitting() -> None:
    folders = {path.parent for path in FOLDER.rglob("*.py")}
    assert max(len(list(folder.glob("*.py"))) for folder in folders) <= MAX_FILES
