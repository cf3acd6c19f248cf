"""Calls the command line in separate processes, and trains runs that resume in their folders."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# "-P" keeps a script's own folder from hiding installed packages.
_PYTHON = (sys.executable, "-P", "-c", "from arlbench.cli.main import run; run()")


def arlbench(*words: str) -> list[str]:
    """The command ``arlbench`` with these arguments, for the Python that runs this."""
    return [*_PYTHON, *words]


def trained(out: Path, words: Sequence[str]) -> np.ndarray:
    """Final returns of all seeds ``[n_seeds]`` of a run, after training what is missing of it.

    Args:
        out: The folder of the run.
        words: The arguments of ``arlbench train``, without the folder.

    Raises:
        SystemExit: If the run failed.
    """
    if (found := final_returns(out)) is not None:
        return found
    is_begun = (out / "settings.json").exists()
    asked = ["--resume", str(out)] if is_begun else [*words, f"--out={out}"]
    process = subprocess.run(arlbench("train", *asked, "--quiet"), check=False)
    result = final_returns(out)
    if process.returncode or result is None:
        raise SystemExit(f"The run in {out} failed.")
    return result


def final_returns(out: Path) -> np.ndarray | None:
    """Final returns of all seeds ``[n_seeds]`` of a run that has ended; None if it has not."""
    path = out / "summary.json"
    summary = json.loads(path.read_text()) if path.exists() else {}
    if summary.get("status") != "finished":
        return None
    return np.array(list(summary["final_return_by_seed"].values()))
