"""Asks and tells a tuner: its answers are checked, and its errors become sentences."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from arlbench.core.checks import as_python, positive_whole
from arlbench.core.tracebacks import raised_at
from arlbench.errors import ArlbenchError, ConfigurationError, TunerError
from arlbench.tuning.trials import Result, Trial, fidelity_after
from arlbench.tuning.tuner import Tuner

#: How long a tuner may take for one answer, in seconds.
ANSWER_SECONDS = 600.0

Answer = TypeVar("Answer")


class Asking:
    """Asks and tells a tuner, in its own thread.

    Args:
        name: The name of the tuner in sentences.
        tuner: The tuner.
        answer_seconds: How long it may take for one answer.
        start_from: Whole configurations that the first trials are to have.

    Attributes:
        tuner: The tuner.
        note: A sentence for the user; empty if nothing needs to be said.
        seconds: The time that it has taken so far.
    """

    def __init__(
        self,
        name: str,
        tuner: Tuner,
        answer_seconds: float = ANSWER_SECONDS,
        start_from: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.tuner = tuner
        self.seconds = 0.0
        self._name = name
        self._limit = answer_seconds
        # None ends the thread.
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        # A tuner that never answers must not keep the process from ending.
        threading.Thread(target=self._serve, daemon=True).start()
        self._given = self._left_to_us(start_from)
        self._n_given = len(self._given)
        does_not_learn = self._given and not tuner.learns_from_any
        own = f"The tuner {name} does not learn from the configurations that it starts from."
        self.note = " ".join(filter(None, (tuner.note, own if does_not_learn else "")))

    def ask(self, n: int, first_number: int, results: Mapping[int, Result]) -> list[Trial]:
        """Up to ``n`` trials with whole configurations, numbered from ``first_number`` on.

        Args:
            n: How many trials.
            first_number: The number of the first of them.
            results: The results that the tuner was told, by number.

        Raises:
            TunerError: If the tuner raises an error, does not answer in time, or proposes
                what cannot be trained.
        """
        given, self._given = self._given[:n], self._given[n:]
        wanted = n - len(given)
        answer = self._answer("ask", lambda: _listed(self.tuner.ask(wanted))) if wanted else []
        if len(answer) > wanted:
            raise self._error(f"was asked for {wanted} trials and gave {len(answer)}; give fewer.")
        answer = [*(Trial(config) for config in given), *answer]
        pairs = enumerate(answer, start=first_number)
        return [self._checked(trial, number, results) for number, trial in pairs]

    def tell(self, results: Sequence[Result]) -> None:
        """Tells the tuner the results of trials.

        Raises:
            TunerError: If it raises an error, or does not return in time.
        """
        known = [r for r in results if r.number >= self._n_given or self.tuner.learns_from_any]
        if known:
            self._answer("tell", lambda: self.tuner.tell(known))

    def _left_to_us(self, configs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The given configurations that the tuner does not propose itself."""
        if not configs or self._answer("start_from", lambda: self.tuner.start_from(configs)):
            return []
        return list(configs)

    @property
    def position(self) -> str:
        """The position of the method, in a few words.

        Raises:
            TunerError: As :meth:`tell` does.
        """
        return str(self._answer("position", lambda: self.tuner.position))

    @property
    def continuable(self) -> set[int] | None:
        """Trials that may still be continued; None means any.

        Raises:
            TunerError: As :meth:`tell` does.
        """

        def read() -> set[int] | None:
            found = self.tuner.continuable
            return None if found is None else set(found)

        return self._answer("continuable", read)

    def note_on_limits(self, trials: int | None, timesteps: float | None, n_seeds: int) -> str:
        """The tuner's sentence about the limits of a study; empty if nothing needs to be said.

        Raises:
            TunerError: As :meth:`tell` does.
        """
        limits = (trials, timesteps, n_seeds)
        return str(self._answer("note_on_limits", lambda: self.tuner.note_on_limits(*limits)))

    def close(self) -> None:
        """Ends the thread, so that the tuner and what it holds can be freed."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def _answer(self, method: str, call: Callable[[], Answer]) -> Answer:
        begin, answers = time.perf_counter(), queue.SimpleQueue[tuple[bool, Any]]()

        def answer() -> None:
            try:
                answers.put((True, call()))
            except BaseException as error:
                answers.put((False, error))

        self._calls.put(answer)
        try:
            succeeded, value = answers.get(timeout=self._limit)
        except queue.Empty:
            raise self._error(
                f"has not returned from {method} for {self._limit:g} seconds; look for an "
                "endless loop in it."
            ) from None
        finally:
            self.seconds += time.perf_counter() - begin
        if succeeded:
            return value  # type: ignore[no-any-return]
        if isinstance(value, ArlbenchError):
            raise value
        raise self._error(
            f"raised {type(value).__name__} in {method} ({value}){raised_at(value)}; correct it "
            "and continue the study."
        ) from value

    def _checked(self, trial: Any, number: int, results: Mapping[int, Result]) -> Trial:
        if not isinstance(trial, Trial):
            raise self._error(f"proposed a {type(trial).__name__}; propose a Trial.")
        if not isinstance(trial.config, Mapping):
            raise self._error(
                f"proposed trial {number} with a {type(trial.config).__name__} as its "
                "configuration; give values by name."
            )
        space = self.tuner.space
        try:
            config = space.require(trial.config)
            fidelity, info = self._fidelity(trial), _as_written(trial.info)
        except ConfigurationError as error:
            reason = str(error)
            end = "" if reason.endswith((".", "?")) else "."
            raise self._error(f"proposed trial {number}: {reason}{end}") from None
        parents = [self._parent(of, number) for of in (trial.continues, trial.network_of)]
        for parent in parents:
            self._check_parent(parent, fidelity, number, results)
        if trial.network_of is not None and trial.continues is None:
            raise self._error(
                f"proposed trial {number} with the network of another trial, but without a state "
                "to continue from; give continues as well."
            )
        continues, network_of = parents
        if continues is not None and not self.tuner.continues:
            raise self._error(
                f"proposed that trial {number} continues another, but its class does not set "
                "continues = True, so no states are kept; set it."
            )
        return Trial(config, fidelity, continues, network_of, info, number)

    def _fidelity(self, trial: Trial) -> int:
        problem = self.tuner.space.problem
        total, n_evaluations = problem.n_total_timesteps, problem.n_eval_steps
        if trial.fidelity is None:
            return total
        fidelity = positive_whole("its fidelity", as_python(trial.fidelity))
        first = fidelity_after(1, total, n_evaluations)
        if fidelity < first:
            raise ConfigurationError(
                f"its fidelity of {fidelity} timesteps ends before the first of {n_evaluations} "
                f"evaluations; use {first} or more, or evaluate more often"
            )
        if fidelity > total:
            raise ConfigurationError(
                f"its fidelity of {fidelity} timesteps is beyond the {total} of the problem"
            )
        return fidelity

    def _parent(self, parent: Any, number: int) -> int | None:
        """The number of a trial as an int; None if there is none."""
        value = as_python(parent)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._error(
            f"proposed that trial {number} continues {value!r}, which is not the number of a "
            "trial; give result.number."
        )

    def _check_parent(
        self, parent: int | None, fidelity: int, number: int, results: Mapping[int, Result]
    ) -> None:
        if parent is None:
            return
        if parent not in results:
            raise self._error(
                f"proposed that trial {number} continues trial {parent}, which it was not told "
                "about; wait for its result."
            )
        result = results[parent]
        if result.status == "diverged":
            raise self._error(
                f"proposed that trial {number} continues trial {parent}, which diverged; "
                "continue another."
            )
        if not (result.trial.fidelity or 0) < fidelity:
            raise self._error(
                f"proposed that trial {number} ends at {fidelity} timesteps, but trial {parent} "
                f"already ended at {result.trial.fidelity}; use a larger fidelity."
            )

    def _error(self, sentence: str) -> TunerError:
        return TunerError(f"The tuner {self._name} {sentence}")


def _as_written(info: Mapping[str, Any]) -> dict[str, Any]:
    """A tuner's own values as they would be if read from a file."""
    try:
        written: dict[str, Any] = json.loads(json.dumps(dict(info), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"its info cannot be written as JSON ({error})") from None
    return written


def _listed(trials: Iterable[Trial]) -> list[Trial]:
    """The trials as a list; a trial is itself a tuple, so a single one could be taken for many."""
    return [trials] if isinstance(trials, Trial) else list(trials)
