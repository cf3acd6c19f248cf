"""The pictures of a study, drawn into its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from arlbench.cli import pictures
from arlbench.core.text_values import count
from arlbench.report import repeat_pictures, study_pictures
from arlbench.report.study_pictures import DrawnTrial
from arlbench.tuning.best import best_over_time, final_test_return
from arlbench.tuning.incumbents import incumbents
from arlbench.tuning.repeats import folder_of
from arlbench.tuning.tuners import short_name

if TYPE_CHECKING:
    from arlbench.tuning.reading import LoadedStudy


def draw(study: LoadedStudy, folder: Path) -> list[Path]:
    """Writes the pictures of a study into a folder; their paths.

    Raises:
        StorageError: If they cannot be written.
    """
    return pictures.write(study_pictures.draw(drawn_trials(study), _title(study)), folder)


def draw_repeats(repeats: Sequence[LoadedStudy], folder: Path) -> list[Path]:
    """Writes the pictures of each repeat of a study, and that of all; the paths of the latter.

    Raises:
        StorageError: If they cannot be written.
    """
    for index, study in enumerate(repeats):
        draw(study, folder_of(folder, index))
    drawn = [best_over_time(study) for study in repeats if study.incumbents]
    title = f"{_title(repeats[0])}, {count(len(drawn), 'repeat')}"
    return pictures.write(repeat_pictures.draw(drawn, title), folder)


def _title(study: LoadedStudy) -> str:
    return f"{short_name(study.settings.tuner)} on {study.settings.problem.env_spec.name}"


def drawn_trials(study: LoadedStudy) -> list[DrawnTrial]:
    """The trials of a study, in the order in which the tuner was told of them."""
    told = [study.results[number] for number in study.told]
    best = {result.number for result in incumbents(told)}
    spent = 0
    drawn = []
    for result in told:
        spent += result.cost
        trial = result.trial
        before = None if trial.continues is None else study.results[trial.continues].trial.fidelity
        drawn.append(
            DrawnTrial(
                number=result.number,
                spent=spent,
                timesteps=result.timesteps,
                returns=result.returns,
                is_incumbent=result.number in best,
                test=final_test_return(result, study.tests.get(result.number)),
                parent=trial.continues if trial.network_of is None else trial.network_of,
                begins=before or 0,
                config=trial.config,
            )
        )
    return drawn
