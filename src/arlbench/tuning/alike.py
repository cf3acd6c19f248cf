"""Checks that studies search for the best configuration of the same problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arlbench.errors import ConfigurationError
from arlbench.experiments.experiment import decisive, short_text
from arlbench.experiments.space import Choices, Range
from arlbench.tuning.settings import StudySettings
from arlbench.tuning.space import Space


def require_alike(studies: Mapping[str, StudySettings]) -> list[str]:
    """Checks that the returns of studies can be compared.

    Args:
        studies: The studies by the names under which they are compared.

    Returns:
        Sentences about studies that search in other spaces, or were begun with other versions of
        packages or on other devices.

    Raises:
        ConfigurationError: If the problem, the objective or the number of seeds of a study is not
            that of the first one.
    """
    spaces = {name: Space(of.problem, of.words) for name, of in studies.items()}
    (first, reference), *others = studies.items()
    for name, settings in others:
        pairs = (reference, spaces[first]), (settings, spaces[name])
        for what, one, other in _differences(*pairs):
            raise ConfigurationError(
                f"{first} and {name} cannot be compared, because {what} is {_text(one)} in "
                f"{first} and {_text(other)} in {name}; compare studies of the same problem."
            )
    versions = {name: of.versions for name, of in studies.items()}
    return [*_not_searched(spaces), *_other_ranges(spaces), *_other_versions(versions)]


def _differences(
    one: tuple[StudySettings, Space], other: tuple[StudySettings, Space]
) -> Iterator[tuple[str, Any, Any]]:
    """The differences between two studies, besides tuner and space: a name and both values."""
    varied = {*one[1].varied, *other[1].varied}
    here, there = (_content(settings, space, varied) for settings, space in (one, other))
    for name in {**here, **there}:
        if here.get(name) != there.get(name):
            yield name, here.get(name), there.get(name)


def _content(settings: StudySettings, space: Space, varied: set[str]) -> dict[str, Any]:
    """What must be the same in both studies, by names for messages."""
    problem = settings.problem
    # These options make one program fit the whole space, so they differ if the spaces do.
    of_space = Space(problem.replace(options={}), settings.words).problem.options
    skipped = {*problem.declarations, *(f"option {name}" for name in of_space)}
    fixed = {**problem.hpo_config, **problem.nas_config, **space.fixed}
    return {
        "the environment": problem.env_spec.name,
        **{name: value for name, value in decisive(problem).items() if name not in skipped},
        "the objective": settings.objective,
        "minimise": settings.minimise,
        "the number of seeds of a trial": len(settings.seeds),
        **{
            name: fixed.get(name, declared.default)
            for name, declared in problem.declarations.items()
            if name not in varied
        },
    }


def _not_searched(spaces: Mapping[str, Space]) -> Iterator[str]:
    """Sentences about studies that leave out what others search."""
    left_out: dict[tuple[str, ...], list[str]] = {}
    for what in _searched(spaces):
        without = tuple(name for name, space in spaces.items() if what not in space.varied)
        left_out.setdefault(without, []).append(what)
    for without, whats in left_out.items():
        if without:
            yield f"not searched by {_listing(without)}, but by the others: {_listing(whats)}"


def _other_ranges(spaces: Mapping[str, Space]) -> Iterator[str]:
    """A sentence about the hyperparameters that studies search in different ranges, if any."""
    ranges = {
        what: {_unordered(space.varied[what]) for space in spaces.values() if what in space.varied}
        for what in _searched(spaces)
    }
    differing = [what for what, found in ranges.items() if len(found) > 1]
    if differing:
        yield f"not searched in the same range by all: {_listing(differing)}"


def _unordered(where: Range | Choices) -> Range | frozenset[Any]:
    """A range or choices, such that the order of choices does not matter."""
    return frozenset(where.values) if isinstance(where, Choices) else where


def _other_versions(versions: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """A sentence about the packages and devices that differ between studies, if any."""
    differing = []
    for what in dict.fromkeys(what for of_study in versions.values() for what in of_study):
        having: dict[str, list[str]] = {}
        for name, of_study in versions.items():
            having.setdefault(of_study.get(what, "unknown"), []).append(name)
        if len(having) > 1:
            each = (f"{version} in {_listing(names)}" for version, names in having.items())
            differing.append(f"{what} ({'; '.join(each)})")
    if differing:
        yield f"not begun with the same {_listing(differing)}"


def _searched(spaces: Mapping[str, Space]) -> dict[str, None]:
    """The hyperparameters that any of the spaces varies."""
    return dict.fromkeys(name for space in spaces.values() for name in space.varied)


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else short_text(value)
