"""The pictures of a study, drawn into its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from arlbench.core import files
from arlbench.errors import StorageError
from arlbench.report import study_pictures
from arlbench.report.study_pictures import DrawnTrial
from arlbench.tuning.incumbents import incumbents

if TYPE_CHECKING:
    from arlbench.tuning.reading import LoadedStudy


def draw(study: LoadedStudy, folder: Path) -> list[Path]:
    """Writes the pictures of a study into a folder; their paths.

    Raises:
        StorageError: If they cannot be written.
    """
    problem = study.settings.problem
    title = f"{study.settings.tuner} on {problem.env_spec.name}"
    pictures = study_pictures.draw(drawn_trials(study), title)
    try:
        for name, png in pictures.items():
            files.write(folder / f"{name}.png", png)
    except OSError as error:
        raise StorageError(
            f"The pictures cannot be written to {folder} ({error.strerror}); make room and give "
            "the command again. All results are whole."
        ) from error
    return [folder / f"{name}.png" for name in pictures]


def drawn_trials(study: LoadedStudy) -> list[DrawnTrial]:
    """The trials of a study, in the order of telling."""
    told = [study.results[number] for number in study.told]
    best = {result.number for result in incumbents(told)}
    spent = 0
    drawn = []
    for result in told:
        spent += result.cost
        trial, test = result.trial, study.tests.get(result.number)
        before = None if trial.continues is None else study.results[trial.continues].trial.fidelity
        drawn.append(
            DrawnTrial(
                number=result.number,
                spent=spent,
                timesteps=result.timesteps,
                returns=result.returns,
                is_incumbent=result.number in best,
                test=None if test is None else test.returns[:, -1],
                parent=trial.continues if trial.network_of is None else trial.network_of,
                begins=before or 0,
                config=trial.config,
            )
        )
    return drawn
