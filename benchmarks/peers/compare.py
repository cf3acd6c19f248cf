"""Compares this project with its peers: the same work, in processes that take turns.

python benchmarks/peers/compare.py                  everything, more than an hour
python benchmarks/peers/compare.py --only a,b       some parts; other results are kept
python benchmarks/peers/compare.py --quick          a few minutes, to see that everything works
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import environments
import measure
import workloads
from environments import PEERS, PeerError

import report
import reporting


def main() -> None:
    arguments = _arguments()
    folder = _prepared(arguments.environments)
    out = arguments.out or (folder / "quick" if arguments.quick else reporting.RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    pythons, missing = _interpreters(arguments.peers, folder)
    machine = reporting.machine()
    reporting.show_machine(machine)
    results = _earlier(out / "peers.json", machine, arguments.quick)
    results |= {"machine": machine, "quick": arguments.quick}
    accelerator = measure.accelerator(pythons)
    for part in arguments.only:
        results["parts"][part] = _part(part, arguments, pythons, missing, accelerator)
        # Written after every part, so that an interruption loses only one part.
        (out / "peers.json").write_text(json.dumps(results, indent=1) + "\n")
        (out / "peers.md").write_text(report.markdown(results))
    print(f"\n{(out / 'peers.md').read_text()}\nWritten to {out}/peers.json and peers.md")


def _part(
    part: str,
    arguments: argparse.Namespace,
    pythons: dict[str, Path],
    missing: dict[str, str],
    accelerator: str | None,
) -> dict[str, Any]:
    if part == "e":
        return {"skipped": "in quick mode"} if arguments.quick else measure.buffer_sizes()
    if part == "p" and accelerator is None:
        return {"skipped": "no accelerator is visible"}
    scale = workloads.QUICK if arguments.quick else workloads.Scale()
    rounds = 1 if arguments.quick and arguments.repeats is None else arguments.repeats
    return {
        "accelerator": accelerator,
        "workloads": [
            measure.workload(workload, pythons, missing, rounds)
            for workload in workloads.BUILDERS[part](scale)
        ],
    }


def _interpreters(names: list[str], folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Interpreters by peer, and the reasons of peers without one."""
    pythons, missing = {}, {}
    for name in PEERS:
        if name not in names:
            missing[name] = "left out of this run"
            continue
        try:
            pythons[name] = environments.interpreter(PEERS[name], folder)
        except PeerError as error:
            missing[name] = str(error)
            print(f"{PEERS[name].title}: {error}", flush=True)
    return pythons, missing


def _prepared(folder: Path) -> Path:
    """The folder of the environments, with a file that makes git ignore it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    return folder.resolve()


def _earlier(path: Path, machine: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Parts measured before on the same machine with the same packages."""
    if path.exists():
        earlier = json.loads(path.read_text())
        changing = {"load_average"}
        same = all(earlier["machine"].get(k) == v for k, v in machine.items() if k not in changing)
        if same and earlier["quick"] == quick:
            return {"parts": earlier["parts"]}
        print(
            "Earlier results come from another machine or other packages: dropped.",
            flush=True,
        )
    return {"parts": {}}


def _names(known: Any) -> Any:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return [name for name in known if name in names]

    return parse


def _arguments() -> argparse.Namespace:
    parts = "; ".join(f"{key}: {title}" for key, title in workloads.PARTS.items())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog=parts)
    everything = list(workloads.PARTS)
    parser.add_argument(
        "--only", type=_names(workloads.PARTS), default=everything, help="parts, such as a,b"
    )
    parser.add_argument(
        "--peers", type=_names(PEERS), default=list(PEERS), help=f"of {','.join(PEERS)}"
    )
    parser.add_argument("--repeats", type=int, help="rounds, instead of 5 in a, b and 3 elsewhere")
    parser.add_argument("--quick", action="store_true", help="tiny workloads, results elsewhere")
    folder = Path(os.environ.get(environments.FOLDER_VARIABLE, environments.DEFAULT_FOLDER))
    parser.add_argument(
        "--environments", type=Path, default=folder, help="folder of the peers' environments"
    )
    parser.add_argument("--out", type=Path, help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
