"""What workers need to know about the environments that members train in."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from arlbench.core.environments import EnvSpec
from arlbench.core.environments.registry import (
    adopt_environment,
    meaning_of,
    packed_environment,
)
from arlbench.core.problem import Problem
from arlbench.errors import UnknownEnvironmentError

# What names meant when workers were last told of them.
_meanings: dict[tuple[str, str], Hashable] = {}


class SentEnvironment(NamedTuple):
    """An environment that exists only in the program, not in a module that can be imported.

    Attributes:
        framework: Its framework.
        name: Its name.
        content: Everything that another process needs besides its spec.
    """

    framework: str
    name: str
    content: bytes

    def adopt(self) -> None:
        """Registers it in this process."""
        adopt_environment(self.framework, self.name, self.content)


def sent_environments(problem: Problem) -> tuple[SentEnvironment, ...]:
    """The environments of a problem that workers cannot find by themselves.

    Raises:
        UnknownEnvironmentError: If one cannot be sent; the message names the cure.
    """
    packed = [(spec, packed_environment(spec)) for spec in _specs(problem)]
    return tuple(
        SentEnvironment(spec.framework, spec.name, content)
        for spec, content in packed
        if content is not None
    )


def obstacle(problem: Problem) -> str | None:
    """Why members of a problem cannot train in other processes; None if they can."""
    try:
        sent_environments(problem)
    except UnknownEnvironmentError as error:
        return str(error)
    return None


def have_changed(problem: Problem) -> bool:
    """Whether names mean something else than when existing workers were told of them.

    For example, a module was reloaded, but they imported its earlier form.
    """
    changed = False
    for spec in _specs(problem):
        key, meaning = (spec.framework, spec.name), meaning_of(spec)
        changed = changed or _meanings.get(key, meaning) != meaning
        _meanings[key] = meaning
    return changed


def _specs(problem: Problem) -> set[EnvSpec]:
    return {problem.env_spec, problem.evaluation_spec}
