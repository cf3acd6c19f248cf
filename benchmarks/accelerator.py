"""Populations on an accelerator: speed, compilation, counts of a profile, and whole calls.

python benchmarks/accelerator.py --write results.json         everything, in 330 seconds at most
python benchmarks/accelerator.py --only uniform --precision both
python benchmarks/accelerator.py --only wide --compiler-options '{"xla_gpu_autotune_level": 1}'
python benchmarks/accelerator.py --only rejax --rejax-python ENVIRONMENT/bin/python
JAX_PLATFORMS=cpu python benchmarks/accelerator.py --quick --as-accelerator   to see that it works

Each part runs in its own process, the most important part first, and is stopped at its time
limit; a part that fails becomes a row of the table. The task is CartPole-v1 in 8 environments, with
one update on 64 transitions for every vector step, two layers of 64 units, buffers of 10,000 rows,
and learning rates from 1e-4 to 1e-2; `grid` is Breakout-MinAtar with 32 transitions in an update,
and `wide` has layers of 256 units.
No cache of compiled programs is used. The precision is that of matrix products
(ARLBENCH_PRECISION). rejax needs an environment of its own (peers/requirements/rejax.txt).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import reporting

Row = dict[str, Any]

PARTS = Path(__file__).with_name("accelerator_parts.py")

REJAX = Path(__file__).with_name("accelerator_rejax.py")

#: Seconds that each part may take, with the most important part first.
LIMITS = {
    "uniform": 100,
    "prioritised": 90,
    "end-to-end": 130,
    "landscape": 200,
    "uniform-most": 60,
    "grid": 120,
    "wide": 60,
    "planning": 40,
    "population-most": 100,
    "rejax": 100,
}

#: With less time than this, in seconds, a part is not started.
LEAST = 15

PRECISIONS = ("float32", "tf32")

#: For a part with whole calls, the part whose training alone they are compared with.
TRAINING_OF = {"end-to-end": "uniform", "population-most": "uniform-most"}

#: The columns of the table, with the place of their numbers and how to write them.
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "members": ("members", "{:,}".format),
    "precision": ("precision", str),
    "M steps/s": ("steps_per_second", lambda x: f"{x / 1e6:.2f}"),
    "of training only": ("share_of_training", "{:.0%}".format),
    "µs an iteration": ("microseconds_an_iteration", "{:.0f}".format),
    "tracing s": ("tracing_seconds", "{:.1f}".format),
    "compiling s": ("compile_seconds", "{:.1f}".format),
    "wall s": ("wall_seconds", "{:.1f}".format),
    "kernels and copies": ("kernels_and_copies", "{:.1f}".format),
    "copies to the host": ("copies_to_host", "{:.2f}".format),
    "busy": ("busy_share", "{:.0%}".format),
    "planning s": ("planning_seconds", "{:.2f}".format),
    "programs": ("programs", str),
    "Spearman": ("spearman", "{:.3f}".format),
    "": ("note", str),
}


class Run(NamedTuple):
    """A part with a precision.

    Attributes:
        part: Its name.
        precision: The precision of its matrix products.
    """

    part: str
    precision: str


def runs(only: Sequence[str], precision: str) -> list[Run]:
    """The runs in order; with both precisions, only ``uniform`` runs twice."""
    if precision != "both":
        return [Run(part, precision) for part in only]
    both = [Run("uniform", each) for each in PRECISIONS if "uniform" in only]
    return both + [Run(part, PRECISIONS[0]) for part in only if part != "uniform"]


def program_of(part: str, rejax_python: str) -> list[str]:
    """The command that runs a part, without options."""
    return [rejax_python, str(REJAX)] if part == "rejax" else [sys.executable, str(PARTS), part]


def rows_of(
    run: Run, program: Sequence[str], options: Sequence[str], limit: float
) -> Iterator[Row]:
    """The rows of a part as they come; the last one may be a failure or the end of its time."""
    timing = [f"--seconds={limit}", f"--begun={time.time()}"]
    command = [*program, *timing, *options]
    stopped = threading.Event()
    with tempfile.TemporaryFile("w+") as errors, _started(command, run, errors) as process:

        def stop() -> None:
            stopped.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            yield from _parsed(process.stdout)
            status = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                stop()
        if stopped.is_set():
            yield {"error": f"stopped after {limit:.0f} s"}
        elif status:
            errors.seek(0)
            yield {"error": _last_words(errors.read(), status)}


def _started(command: Sequence[str], run: Run, errors: IO[str]) -> subprocess.Popen[str]:
    """A process in its own group, for which nothing has been compiled."""
    environment = {
        **os.environ,
        "ARLBENCH_PRECISION": run.precision,
        "ARLBENCH_COMPILATION_CACHE": "off",
    }
    # A cache that is set in JAX itself would still be used.
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,
    )


def _parsed(lines: IO[str] | None) -> Iterator[Row]:
    for line in lines or ():
        if line.startswith("{"):
            yield json.loads(line)


def _last_words(text: str, status: int) -> str:
    """The last line that a process wrote, or its exit status."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit status {status}"


class Table:
    """The rows of all parts; rows that belong together become one.

    Attributes:
        rows: In the order in which they came.
        device: The device that computed them, once a part has named it.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.device: str | None = None

    def add(self, run: Run, row: Row) -> Row:
        """Takes in a row, and returns it with its part and precision."""
        self.device = row.get("device", self.device)
        whole = {"part": run.part, "precision": run.precision, **row}
        training = self._training(run, row.get("members"))
        if training is not None and "steps_per_second" in row:
            speed = training["steps_per_second"]
            whole["share_of_training"] = row["steps_per_second"] / speed
        self.rows.append(whole)
        return whole

    def _training(self, run: Run, members: int | None) -> Row | None:
        """The row of training alone with which a whole call is compared."""
        for row in self.rows:
            of = (row["part"], row["precision"], row.get("members"))
            wanted = (TRAINING_OF.get(run.part), run.precision, members)
            if of == wanted and "steps_per_second" in row:
                return row
        return None

    def markdown(self) -> str:
        """One line for each measurement, including its profile."""
        shown: list[Row] = []
        done: float | None = None
        for row in self.rows:
            if "profile" in row:
                shown[-1] = {**shown[-1], **(row["profile"] or {})}
            elif "done" in row:
                done = row["done"]
            elif "device" in row:
                done = None
            else:
                shown.append({**row, "note": _note(row, done)})
        header = ["part", *COLUMNS]
        return reporting.markdown_table(header, [[_title(row), *_cells(row)] for row in shown])


def _title(row: Row) -> str:
    return f"{row['part']}, {row['call']} call" if "call" in row else row["part"]


def _cells(row: Row) -> list[str]:
    found = [(row.get(name), write) for name, write in COLUMNS.values()]
    return ["" if value is None else write(value) for value, write in found]


def _note(row: Row, done: float | None) -> str:
    """What diverged, failed or was skipped in a row, and how much was done before a failure."""
    diverged = row.get("diverged") or 0
    notes = [f"{diverged} diverged"] if diverged else []
    if "error" in row and done is not None:
        notes.append(f"{done:.0%} done")
    return "; ".join([*notes, *(row[key] for key in ("error", "skipped") if key in row)])


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(LIMITS), help="some of: %(default)s")
    parser.add_argument("--seconds", type=float, default=330.0, help="for everything")
    parser.add_argument(
        "--timesteps", type=int, help="of each member of the part end-to-end, 1,000,000 by default"
    )
    parser.add_argument(
        "--precision",
        choices=[*PRECISIONS, "both"],
        default=os.environ.get("ARLBENCH_PRECISION", PRECISIONS[0]),
        help="of matrix products; both runs the part uniform in both (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it works")
    parser.add_argument(
        "--as-accelerator",
        action="store_true",
        help="give a CPU the programs that accelerators get, to try them without one",
    )
    parser.add_argument(
        "--rejax-python",
        default="",
        metavar="PYTHON",
        help="the Python of an environment with rejax; without it, rejax is left out",
    )
    parser.add_argument(
        "--compiler-options",
        type=json.loads,
        default={},
        metavar="JSON",
        help="further options of XLA, which take precedence over arlbench's",
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write every row")
    arguments = parser.parse_args()
    asked = arguments.only.split(",")
    if unknown := set(asked) - LIMITS.keys():
        parser.error(f"Unknown parts: {', '.join(sorted(unknown))}.")
    arguments.only = [part for part in LIMITS if part in asked]
    return arguments


def _options(arguments: argparse.Namespace) -> list[str]:
    """The options of each part."""
    flags = {"--quick": arguments.quick, "--as-accelerator": arguments.as_accelerator}
    values = {"--timesteps": arguments.timesteps}
    if arguments.compiler_options:
        values["--compiler-options"] = json.dumps(arguments.compiler_options)
    given = [f"{name}={value}" for name, value in values.items() if value is not None]
    return [*(flag for flag, is_set in flags.items() if is_set), *given]


def main() -> None:
    arguments = parsed()
    machine = reporting.machine()
    reporting.show_machine(machine)
    table, ends = Table(), time.monotonic() + arguments.seconds
    for run in runs(arguments.only, arguments.precision):
        left = ends - time.monotonic()
        if left < min(LEAST, arguments.seconds):
            rows: Iterator[Row] = iter([{"skipped": "out of time"}])
        elif run.part == "rejax" and not arguments.rejax_python:
            rows = iter([{"skipped": "--rejax-python is not set"}])
        else:
            program = program_of(run.part, arguments.rejax_python)
            rows = rows_of(run, program, _options(arguments), min(LIMITS[run.part], left))
        for row in rows:
            print(json.dumps(table.add(run, row)), flush=True)
            if arguments.write:
                content = {"machine": machine, "device": table.device, "rows": table.rows}
                arguments.write.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\n{table.device}\n\n{table.markdown()}", flush=True)


if __name__ == "__main__":
    main()
