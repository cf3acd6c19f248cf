"""How important each hyperparameter was for the best trials of a study."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from arlbench.tuning.optuna_search import distributions_of, import_optuna, quietly
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result

# With fewer trials, nothing can be said.
_LEAST_TRIALS = 8

# The estimate becomes stable with this many good trials.
_GOOD_TRIALS = 5


class Importance(NamedTuple):
    """Shares of importance.

    Attributes:
        shares: By hyperparameter, the largest first; they sum to 1.
        n_trials: The number of trials that they were computed from.
        fidelity: The environment steps of these trials.
    """

    shares: dict[str, float]
    n_trials: int
    fidelity: int


def importance_of(space: Space, results: Mapping[int, Result]) -> Importance | None:
    """How much each hyperparameter decided whether a trial was among the best.

    It is Optuna's conditional PED-ANOVA, which compares the distribution of the best trials with
    that of all trials. It uses only the ranks of scores, so trials that diverged count as the
    worst. A hyperparameter that is not always active is judged on trials in which it is active.

    Args:
        space: Where the study searched.
        results: The results of its trials, by number.

    Returns:
        None if there are fewer than eight comparable trials, all of them are equally good, or
        trials were trained under several configurations.

    Raises:
        MissingExtraError: If Optuna is not installed.
    """
    chosen = [] if _change_configurations(results) else _comparable(results.values())
    scores = {result.score for result in chosen}
    if len(chosen) < _LEAST_TRIALS or len(scores) < 2:
        return None
    values = _evaluated(space, chosen)
    total = sum(values.values())
    if not total > 0:
        return None
    ranked = sorted(values, key=lambda name: (-values[name], name))
    shares = {name: values[name] / total for name in ranked}
    return Importance(shares, len(chosen), chosen[0].trial.fidelity or 0)


def _change_configurations(results: Mapping[int, Result]) -> bool:
    """Whether a trial continues one with another configuration, or has another's network."""
    for result in results.values():
        trial = result.trial
        parent = None if trial.continues is None else results.get(trial.continues)
        changed = parent is not None and dict(parent.trial.config) != dict(trial.config)
        if changed or trial.network_of is not None:
            return True
    return False


def _comparable(results: Any) -> list[Result]:
    """The trials of the largest fidelity that has enough of them."""
    groups: dict[int, list[Result]] = {}
    for result in results:
        groups.setdefault(result.trial.fidelity or 0, []).append(result)
    enough = [fidelity for fidelity, group in groups.items() if len(group) >= _LEAST_TRIALS]
    return groups[max(enough)] if enough else []


def _evaluated(space: Space, results: Sequence[Result]) -> dict[str, float]:
    """Importance by hyperparameter, not normalised."""
    optuna = import_optuna()
    distributions = distributions_of(space)
    worst = min(result.score for result in results if math.isfinite(result.score)) - 1
    quantile = min(0.5, max(0.1, _GOOD_TRIALS / len(results)))
    with quietly(optuna), warnings.catch_warnings():
        # Optuna warns about hyperparameters that were active in one trial only, and omits them.
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="maximize")
        for result in results:
            config = result.trial.config
            known = {name: v for name, v in config.items() if space.contains(name, v)}
            score = result.score if math.isfinite(result.score) else worst
            study.add_trial(
                optuna.trial.create_trial(
                    params=known,
                    distributions={name: distributions[name] for name in known},
                    value=score,
                )
            )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    return {name: float(value) for name, value in found.items()}
