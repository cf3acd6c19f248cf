"""What tuners find in the published spaces, and what it costs: whole studies, one after another.

python benchmarks/tuners.py                             everything, in hours
python benchmarks/tuners.py --only cartpole/tpe/0       some studies: PRESET/TUNER/TUNER_SEED
python benchmarks/tuners.py --only cartpole,acrobot/tpe

Each study is one call of ``arlbench tune``, which continues if it was interrupted. Studies that
have ended are not run again, so the work can be spread over days. Their folders are in
``--folder``; the results are in ``results/tuners.json`` and ``results/tuners.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import reporting
from command_line import arlbench

N_SEEDS = 3

#: Settings of each tuner: 32 whole runs, or as many environment steps; methods with brackets
#: have half of that, as in the published experiments.
_TRIALS = ("--n-trials=32",)
_POPULATION = ("--set=n_members=32", "--set=n_steps=10")


def _half(timesteps: int) -> tuple[str, ...]:
    return (f"--max-steps={16 * N_SEEDS * timesteps}",)


class Preset(NamedTuple):
    """A preset, and which studies of it are run.

    Attributes:
        timesteps: The length of a whole training run.
        n_tuner_seeds: How many tuner seeds each tuner has.
        published: The published return of incumbents with their tuning seeds, by tuner.
    """

    timesteps: int
    n_tuner_seeds: dict[str, int]
    published: dict[str, str]


PRESETS = {
    "cartpole": Preset(
        50_000,
        dict.fromkeys(("random", "tpe", "smac", "hyperband", "smac_hyperband", "pbt", "pb2"), 3),
        {"random": "486", "smac": "500", "smac_hyperband": "467", "pbt": "421"},
    ),
    "acrobot": Preset(
        100_000,
        {"random": 2, "tpe": 1, "hyperband": 1, "pbt": 1},
        {"random": "-77.7", "pbt": "-79.2"},
    ),
}


class Study(NamedTuple):
    """One study."""

    preset: str
    tuner: str
    tuner_seed: int

    @property
    def name(self) -> str:
        """Its name in files."""
        return f"{self.preset}-{self.tuner}-{self.tuner_seed}"

    def command(self, folder: Path) -> list[str]:
        """The arguments of the command line."""
        timesteps = PRESETS[self.preset].timesteps
        limits = {
            "hyperband": _half(timesteps), "smac_hyperband": _half(timesteps),
            "pbt": _POPULATION, "pb2": _POPULATION,
        }  # fmt: skip
        return [
            "tune",
            f"--preset={self.preset}",
            f"--tuner={self.tuner}",
            f"--tuner-seed={self.tuner_seed}",
            *limits.get(self.tuner, _TRIALS),
            f"--seeds={N_SEEDS}",
            "--test-seeds=3",
            f"--out={folder / self.name}",
            "--json",
        ]


def all_studies() -> Iterator[Study]:
    """Every study, so that each tuner has been run once before the second tuner seed begins."""
    for preset, (_, n_tuner_seeds, _) in PRESETS.items():
        for tuner_seed in range(max(n_tuner_seeds.values())):
            for tuner, n in n_tuner_seeds.items():
                if tuner_seed < n:
                    yield Study(preset, tuner, tuner_seed)


def run(study: Study, folder: Path) -> dict[str, Any]:
    """Runs a study, unless it has been run.

    Raises:
        SystemExit: If it failed, with the end of its output.
    """
    path = folder / f"{study.name}.json"
    if path.exists():
        return json.loads(path.read_text())
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(arlbench(*study.command(folder)), stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"{study.name} failed: {text[-1000:]}")
    result = {
        **json.loads(text),
        "wall_seconds": time.perf_counter() - begin,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "cpu": reporting.machine()["cpu"],
    }
    result.pop("folder")
    path.write_text(json.dumps(result))
    return result


def table(preset: str, results: dict[Study, dict[str, Any]]) -> str:
    """One row for each tuner."""
    rows = []
    for tuner in PRESETS[preset].n_tuner_seeds:
        found = [r for s, r in results.items() if (s.preset, s.tuner) == (preset, tuner)]
        if found:
            rows.append(_row(preset, tuner, found))
    header = (
        "tuner", "tuner seeds", "environment steps", "processor s", "wall s", "tuner's own s",
        "return, tuning seeds", "each", "return, test seeds", "each", "published", "processor",
    )  # fmt: skip
    return reporting.markdown_table(header, rows)


def _row(preset: str, tuner: str, found: Sequence[dict[str, Any]]) -> list[str]:
    tuning = [result["incumbent"]["objective"] for result in found]
    test = [result["incumbent"]["test_objective"] for result in found]
    return [
        tuner,
        str(len(found)),
        f"{mean(result['timesteps'] for result in found) / 1e6:.2f}M",
        f"{mean(result['processor_seconds'] for result in found):.0f}",
        f"{mean(result['wall_seconds'] for result in found):.0f}",
        f"{mean(result['tuner_seconds'] for result in found):.1f}",
        f"{mean(tuning):.1f}",
        ", ".join(f"{value:.0f}" for value in tuning),
        f"{mean(test):.1f}",
        ", ".join(f"{value:.0f}" for value in test),
        PRESETS[preset].published.get(tuner, "-"),
        ", ".join(dict.fromkeys(result["cpu"] for result in found)),
    ]


def write(results: dict[Study, dict[str, Any]]) -> None:
    """Writes the tables and every result."""
    content = {study.name: result for study, result in results.items()}
    reporting.write_json("tuners", {"machine": reporting.machine(), "studies": content})
    parts = [
        "# What tuners find in the published spaces\n",
        "Published spaces and settings (`arlbench tune --preset`), three tuning seeds and three "
        "test seeds. Random search, TPE and SMAC train 32 configurations; both Hyperbands begin no "
        "trials after half as many environment steps; populations have 32 members and ten "
        "generations. Numbers are means over tuner seeds; the published ones are those of arlbench "
        "0.1.3 over five. Seconds include the trainings with test seeds; wall-clock seconds are "
        "meaningful only if nothing else ran. Written by `python benchmarks/tuners.py`.\n",
    ]
    for preset in PRESETS:
        if any(study.preset == preset for study in results):
            parts += [f"## {preset}\n", table(preset, results) + "\n"]
    (reporting.RESULTS / "tuners.md").write_text("\n".join(parts))


def wanted(words: Sequence[str]) -> list[Study]:
    """The studies that ``--only`` names.

    Raises:
        SystemExit: If a word names none.
    """
    studies = list(all_studies())
    if not words:
        return studies
    for word in words:
        if not any(_is_named(study, word) for study in studies):
            raise SystemExit(f"'{word}' names no study; write PRESET/TUNER/TUNER_SEED.")
    return [study for study in studies if any(_is_named(study, word) for word in words)]


def _is_named(study: Study, word: str) -> bool:
    parts = word.split("/")
    return [str(part) for part in study[: len(parts)]] == parts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="PRESET/TUNER/TUNER_SEED, shortened or several")
    parser.add_argument("--folder", type=Path, default=Path("runs/tuners"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for study in wanted([word for word in arguments.only.split(",") if word]):
        result = run(study, arguments.folder)
        print(f"{study.name}: {result['incumbent']}", flush=True)
        # Those of earlier calls stay in the tables.
        ended = {s: arguments.folder / f"{s.name}.json" for s in all_studies()}
        write({s: json.loads(p.read_text()) for s, p in ended.items() if p.exists()})


if __name__ == "__main__":
    main()
