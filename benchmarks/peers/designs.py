"""Makes the committed configurations; run it only to change them, and say so in the results.

python benchmarks/peers/designs.py            the 64 of the sweep, a Sobol design
python benchmarks/peers/designs.py FILE.csv   the first 32 rows of the published landscape
"""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

CONFIGURATIONS = Path(__file__).parent / "configurations"
SWEEP, LANDSCAPE = CONFIGURATIONS / "sweep_64.json", CONFIGURATIONS / "landscape_32.csv"

N_SWEEP, N_LANDSCAPE, SEED = 64, 32, 0

#: Hyperparameter, lower, upper; (False, True) is a coin.
_DESIGN: dict[str, tuple[Any, Any]] = {
    "learning_rate": (1e-5, 1e-2),
    "gamma": (0.9, 0.999),
    "buffer_size": (1_024, 100_000),
    "target_epsilon": (0.001, 0.2),
    "exploration_fraction": (0.05, 0.5),
    "learning_starts": (0, 4_096),
    "target_update_interval": (8, 1_000),
    "use_target_network": (False, True),
    "buffer_prio_sampling": (False, True),
    "buffer_alpha": (0.01, 1.0),
    "buffer_beta": (0.01, 1.0),
}

_LOGARITHMIC = {"learning_rate"}

_COLUMNS = (
    "run_id", "buffer_batch_size", "buffer_prio_sampling", "buffer_size", "initial_epsilon",
    "learning_rate", "learning_starts", "target_epsilon", "use_target_network", "buffer_alpha",
    "buffer_beta", "buffer_epsilon", "target_update_interval",
)  # fmt: skip

_INTEGERS = {"buffer_batch_size", "buffer_size", "learning_starts", "target_update_interval"}
_FLAGS = {"buffer_prio_sampling", "use_target_network"}


def _scaled(name: str, u: float) -> Any:
    low, high = _DESIGN[name]
    if isinstance(low, bool):
        return u >= 0.5
    if isinstance(low, int):
        return min(low + math.floor(u * (high - low + 1)), high)
    if name in _LOGARITHMIC:
        return float(f"{low * (high / low) ** u:.6g}")
    return float(f"{low + u * (high - low):.6g}")


def draw_sweep() -> list[dict[str, Any]]:
    """The Sobol design; the order of the hyperparameters is the order of its dimensions."""
    from scipy.stats import qmc

    points = qmc.Sobol(len(_DESIGN), seed=SEED).random(N_SWEEP)
    return [
        {name: _scaled(name, float(u)) for name, u in zip(_DESIGN, point, strict=True)}
        for point in points
    ]


def read_sweep() -> list[dict[str, Any]]:
    """The hyperparameters of the 64 configurations; the workload fixes all others."""
    return json.loads(SWEEP.read_text())


def read_landscape() -> list[dict[str, Any]]:
    """The hyperparameters of the 32 rows; empty cells are inactive and left out."""
    with LANDSCAPE.open(newline="") as file:
        return [
            {name: _parsed(name, text) for name, text in row.items() if text and name != "run_id"}
            for row in csv.DictReader(file)
        ]


def _parsed(name: str, text: str) -> Any:
    if name in _FLAGS:
        return text == "True"
    return int(float(text)) if name in _INTEGERS else float(text)


def _write_landscape(source: Path) -> None:
    with source.open(newline="") as file:
        rows = [row for _, row in zip(range(N_LANDSCAPE), csv.DictReader(file), strict=False)]
    with LANDSCAPE.open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_sweep() -> None:
    lines = ",\n ".join(json.dumps(config) for config in draw_sweep())
    SWEEP.write_text(f"[{lines}]\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _write_landscape(Path(sys.argv[1]))
    else:
        _write_sweep()
