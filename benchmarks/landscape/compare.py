"""Trains the 256 published configurations of CartPole again, and compares the results."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import published
from scipy.stats import spearmanr

from arlbench.experiments.folder import read_rows
from reporting import RESULTS, machine, markdown_table

#: Settings that are the same in all published trainings.
SETTINGS = tuple(f"{name}={value}" for name, value in published.FIXED.items())
LENGTH = (
    "--n-envs", str(published.N_ENVS), "--timesteps", str(published.TIMESTEPS),
    "--evaluations", str(published.N_EVALUATIONS), "--eval-episodes", str(published.N_EPISODES),
    "--seeds", str(published.N_SEEDS),
)  # fmt: skip

#: Differences above this many standard errors are listed.
NOTABLE = 3.0

_COLOURS = {"uniform replay": "#4c78a8", "prioritised replay": "#e4572e"}


class Landscape(NamedTuple):
    """Final returns of all configurations, ``[n_configs]`` each.

    Attributes:
        run_id: The publication's number.
        prioritised: Whether replay is prioritised.
        target: Whether a target network is used.
        published: Published mean over 10 seeds.
        published_std: Published standard deviation over these seeds.
        ours: Returns here, ``[n_configs, n_seeds]``.
    """

    run_id: np.ndarray
    prioritised: np.ndarray
    target: np.ndarray
    published: np.ndarray
    published_std: np.ndarray
    ours: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.ours.mean(axis=1)

    @property
    def standard_errors(self) -> np.ndarray:
        """The difference of the means, divided by its standard error from the pooled variance."""
        n, m = published.N_SEEDS, published.PUBLISHED_SEEDS
        own_variance = self.ours.var(axis=1, ddof=1)
        pooled = ((m - 1) * self.published_std**2 + (n - 1) * own_variance) / (m + n - 2)
        error = np.sqrt(np.maximum(pooled, 1e-9) * (1 / n + 1 / m))
        return (self.mean - self.published) / error


def train(folder: Path) -> None:
    """Trains the missing configurations in the folder."""
    sweep = [sys.executable, "-c", "from arlbench.cli.main import run; run()", "sweep"]
    source = ["--sampler", "file", "--file", str(published.PUBLISHED), "--out", str(folder)]
    subprocess.run([*sweep, "CartPole-v1", *SETTINGS, *LENGTH, *source], check=True)


def read(folder: Path) -> Landscape:
    """Published final returns and those here, in the order of the file."""
    rows = published.read_published()
    table = read_rows(folder).to_pandas()
    final = table[table["evaluation"] == table["evaluation"].max()]
    ours = final.pivot(index="config", columns="seed", values="return_mean").sort_index()
    return Landscape(
        run_id=rows.run_ids,
        prioritised=np.array([config["buffer_prio_sampling"] for config in rows.configs]),
        target=np.array([config["use_target_network"] for config in rows.configs]),
        published=rows.returns,
        published_std=rows.stds,
        ours=np.nan_to_num(ours.to_numpy(float)),
    )


def draw(landscape: Landscape, path: Path) -> None:
    """Draws the means here against the published means."""
    figure, axes = plt.subplots(figsize=(5.2, 5.0), layout="constrained")
    axes.plot([0, 500], [0, 500], color="#999999", linewidth=0.8, zorder=0)
    for name, mask in zip(_COLOURS, (~landscape.prioritised, landscape.prioritised), strict=True):
        axes.scatter(
            landscape.published[mask], landscape.mean[mask],
            s=18, color=_COLOURS[name], alpha=0.75, linewidth=0, label=name,
        )  # fmt: skip
    correlation = spearmanr(landscape.published, landscape.mean).statistic
    axes.set(
        xlabel="published mean return (10 seeds)",
        ylabel=f"mean return here ({published.N_SEEDS} seeds)",
        title=f"256 configurations of DQN on CartPole-v1\nSpearman {correlation:.2f}",
        xlim=(0, 505),
        ylim=(0, 505),
        aspect="equal",
    )
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def report(landscape: Landscape) -> str:
    """The comparison as Markdown."""
    errors = landscape.standard_errors
    correlation = spearmanr(landscape.published, landscape.mean).statistic
    notable = np.flatnonzero(np.abs(errors) > NOTABLE)
    notable = notable[np.argsort(errors[notable])]
    rows = [
        [
            str(landscape.run_id[i]),
            f"{landscape.published[i]:.1f}",
            f"{landscape.published_std[i]:.1f}",
            ", ".join(f"{value:.1f}" for value in landscape.ours[i]),
            f"{errors[i]:+.1f}",
            "yes" if landscape.prioritised[i] else "no",
            "yes" if landscape.target[i] else "no",
        ]
        for i in notable
    ]
    header = ["row", "published", "std", "here, each seed", "standard errors", "prioritised",
              "target network"]  # fmt: skip
    described = ", ".join(f"{name} {value}" for name, value in machine().items())
    parts = [
        "# CartPole-v1, the 256 published configurations",
        f"50,000 steps, 8 environments, {published.N_SEEDS} seeds here and "
        f"{published.PUBLISHED_SEEDS} in the publication. Final mean return of 128 episodes. "
        "Written by `python benchmarks/landscape/compare.py`.",
        "![Mean return here against the published one](landscape.png)",
        f"- Spearman rank correlation of the means: **{correlation:.3f}**",
        f"- Mean difference, here minus published: {np.mean(errors > 0):.0%} of the rows are "
        f"higher, mean {np.mean(landscape.mean - landscape.published):+.1f}",
        _by_kind(landscape),
        f"- {len(notable)} rows differ by more than {NOTABLE:.0f} standard errors (pooled "
        "variance of both sides):",
        markdown_table(header, rows),
        f"Machine: {described}",
    ]
    return "\n\n".join(parts) + "\n"


def _by_kind(landscape: Landscape) -> str:
    """The mean difference by replay and target network."""
    difference = landscape.mean - landscape.published
    cells = []
    for prioritised in (False, True):
        for target in (False, True):
            mask = (landscape.prioritised == prioritised) & (landscape.target == target)
            cells.append(
                [
                    f"{'prioritised' if prioritised else 'uniform'}, "
                    f"{'with' if target else 'no'} target network",
                    str(mask.sum()),
                    f"{landscape.published[mask].mean():.1f}",
                    f"{landscape.mean[mask].mean():.1f}",
                    f"{difference[mask].mean():+.1f}",
                ]
            )
    return markdown_table(["kind", "rows", "published", "here", "difference"], cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/landscape"))
    folder = parser.parse_args().folder
    train(folder)
    landscape = read(folder)
    RESULTS.mkdir(exist_ok=True)
    draw(landscape, RESULTS / "landscape.png")
    text = report(landscape)
    (RESULTS / "landscape.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
