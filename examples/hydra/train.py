"""Trainings with Hydra: a single one, or a job for each combination of values.

    python examples/hydra/train.py
    python examples/hydra/train.py -m hp_config.learning_rate=3e-4,1e-3 seed=0,1

Any sweeper of Hydra works, because a job returns its objective: set
``hydra/sweeper`` to one that is installed. If it minimises, also set
``autorl.optimize_objectives=lower``. It needs Hydra: ``pip install 'arlbench[hydra]'``.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

import hydra
from arlbench import run_arlbench

_log = logging.getLogger(__name__)


@hydra.main(version_base=None, config_path=".", config_name="config")
def train(cfg: DictConfig) -> float | tuple[float, ...]:
    """Trains once, and returns the objective for the sweeper."""
    objective = run_arlbench(cfg, logger=_log)
    print(f"objective: {objective}")
    return objective


if __name__ == "__main__":
    train()
