"""A copy of a study in Optuna, for Optuna's dashboard and pictures.

Each trial that has ended becomes a trial there. Its mean returns are intermediate values at the
environment steps of the evaluations; the trial that it continues is one of its attributes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from arlbench.errors import StorageError
from arlbench.tuning.folder import REPEATS
from arlbench.tuning.optuna_search import distributions_of, import_optuna, quietly
from arlbench.tuning.reading import load
from arlbench.tuning.settings import StudySettings
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result

_NUMBER = "number"

# The parts of a study's definition that are compared in another way, or may change.
_NOT_COMPARED = ("problem", "versions", "format_version")


def name_there(folder: str | Path) -> str:
    """The default name of a study in Optuna: the name of its folder.

    For a repeat, the name of the folder of all repeats comes before it.
    """
    path = Path(folder).resolve()
    is_repeat = (path.parent / REPEATS).exists()
    return f"{path.parent.name}-{path.name}" if is_repeat else path.name


def require_storage(url: str, studies: Mapping[str, StudySettings] | None = None) -> None:
    """Raises if a storage cannot hold our studies; makes its tables if it is new.

    Args:
        url: The address of the storage.
        studies: Our studies by their names in the storage.

    Raises:
        MissingExtraError: If Optuna is not installed.
        StorageError: If the storage cannot be reached, or holds another study with such a name.
    """
    optuna = import_optuna()
    with _Reaching(url, optuna):
        storage = optuna.storages.RDBStorage(url)
        found = {study.study_name: study.user_attrs for study in storage.get_all_studies()}
        storage.remove_session()
        storage.engine.dispose()
    for name, settings in (studies or {}).items():
        _require_same(url, name, found.get(name, {}), settings)


def _require_same(url: str, name: str, there: Mapping[str, Any], settings: StudySettings) -> None:
    """Raises a StorageError if the study there is another one, whose trials are not ours."""
    mine = settings.problem.fingerprint
    cure = "export it with another --name, or give its folder another name."
    if there.get("fingerprint", mine) != mine:
        raise StorageError(
            f"The storage {url} holds a study called {name} of another problem; {cure}"
        )
    before, now = there.get("definition", {}), _definition(settings)
    for key in now:
        if key in before and before[key] != now[key]:
            raise StorageError(
                f"The storage {url} holds another study called {name}: {key} is "
                f"{before[key]} there and {now[key]} here; {cure}"
            )


def _definition(settings: StudySettings) -> dict[str, Any]:
    """What distinguishes a study from others of its problem, as JSON values."""
    content = settings.to_mapping()
    kept = {key: value for key, value in content.items() if key not in _NOT_COMPARED}
    found: dict[str, Any] = json.loads(json.dumps(kept))
    return found


class Mirror:
    """A study in Optuna that follows one of ours.

    Args:
        url: The address of its storage, such as ``sqlite:///study.db``.
        name: The name of the study in the storage; if it exists, it is continued.
        settings: The definition of our study.

    Raises:
        MissingExtraError: If Optuna is not installed.
        StorageError: If the storage cannot be reached, or holds another study with that name.
    """

    def __init__(self, url: str, name: str, settings: StudySettings) -> None:
        self._optuna = import_optuna()
        self._url = url
        self._settings = settings
        self._space = Space(settings.problem, settings.words)
        self._distributions = distributions_of(self._space)
        direction = "minimize" if settings.minimise else "maximize"
        with self._reached():
            self._storage = self._optuna.storages.RDBStorage(url)
        try:
            self._open(name, direction)
        except BaseException:
            self.close()
            raise

    def _open(self, name: str, direction: str) -> None:
        with self._reached():
            self._study = self._optuna.create_study(
                storage=self._storage, study_name=name, direction=direction, load_if_exists=True
            )
            self._numbers = {t.user_attrs.get(_NUMBER) for t in self._study.get_trials(False)}
            _require_same(self._url, name, self._study.user_attrs, self._settings)
            self._study.set_user_attr("fingerprint", self._settings.problem.fingerprint)
            self._study.set_user_attr("definition", _definition(self._settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections to the storage."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def add(self, result: Result) -> None:
        """Adds a trial that has ended, unless it is already there.

        Raises:
            StorageError: If the storage cannot be reached.
        """
        if result.number in self._numbers:
            return
        with self._reached():
            self._study.add_trial(self._trial(result))
        self._numbers.add(result.number)

    def _trial(self, result: Result) -> Any:
        trial = result.trial
        states = self._optuna.trial.TrialState
        ended = math.isfinite(result.score)
        config = {k: v for k, v in trial.config.items() if self._space.contains(k, v)}
        active = {name: config[name] for name in self._active(trial.config) if name in config}
        means = zip(result.timesteps.tolist(), result.returns.mean(axis=0).tolist(), strict=True)
        # Ours come last: a tuner's own values may have any name.
        attributes = {
            **trial.info,
            _NUMBER: result.number,
            "fidelity": trial.fidelity,
            "cost": result.cost,
            "continues": trial.continues,
            "network_of": trial.network_of,
        }
        return self._optuna.trial.create_trial(
            state=states.COMPLETE if ended else states.FAIL,
            value=self._objective(result) if ended else None,
            params=active,
            distributions={name: self._distributions[name] for name in active},
            intermediate_values={step: mean for step, mean in means if math.isfinite(mean)},
            user_attrs={key: value for key, value in attributes.items() if value is not None},
        )

    def _active(self, config: Any) -> Iterable[str]:
        return self._space.active(self._space.complete(config))

    def _objective(self, result: Result) -> float:
        return -result.score if self._settings.minimise else result.score

    def _reached(self) -> Any:
        return _Reaching(self._url, self._optuna)


class _Reaching:
    """Turns errors of a storage into one sentence, and keeps Optuna quiet."""

    def __init__(self, url: str, optuna: Any) -> None:
        self._url = url
        self._quietly = quietly(optuna)

    def __enter__(self) -> None:
        self._quietly.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._quietly.__exit__(None, None, None)
        if isinstance(error, Exception) and not isinstance(error, StorageError):
            reason = str(error).strip().split("\n", maxsplit=1)[0][:200].rstrip(".")
            raise StorageError(
                f"The storage {self._url} cannot be used ({reason or kind.__name__}); check its "
                "address, as in sqlite:///study.db, and that its server runs."
            ) from error


def export(folder: str | Path, url: str, name: str | None = None) -> int:
    """Writes the ended trials of a study into a storage of Optuna.

    Args:
        folder: The folder of the study.
        url: The address of the storage.
        name: The name of the study there; None takes that of :func:`name_there`.

    Returns:
        How many trials the storage's study holds.

    Raises:
        ArlbenchError: If the folder holds no study, Optuna is not installed, or the storage
            cannot be reached.
    """
    study = load(folder)
    with Mirror(url, name or name_there(folder), study.settings) as mirror:
        for number in sorted(study.results):
            mirror.add(study.results[number])
    return len(study.results)
