"""Makes one virtual environment for each peer, once, from its committed requirements."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements"

#: Where the environments are kept between runs, unless an option says otherwise.
FOLDER_VARIABLE = "ARLBENCH_PEERS"
DEFAULT_FOLDER = HERE.parent / ".peers"

_COMPLETE = "complete"
_INSTALL_SECONDS = 1800
_BUILD_TOOLS = "build-tools.txt"

#: Settings of JAX and torch that are not taken from the user's shell; each peer has its own.
_FOREIGN = ("JAX_", "XLA_", "NPROC", "OMP_", "MKL_", "PYTHON", "ARLBENCH_", "TF_", "TORCH_")


class PeerError(Exception):
    """A peer that cannot be installed or has failed; the message says why."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """An implementation that is measured.

    Attributes:
        name: Its name in options and results.
        title: Its name in tables.
        runner: Its script.
        probe: A module whose import shows that the installation works.
        settings: The environment variables that made it fastest when tried on two cores.
        installs: Arguments of pip, one call each; empty for the driver's own environment.
    """

    name: str
    title: str
    runner: str
    probe: str
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    installs: tuple[tuple[str, ...], ...] = ()


OURS = Peer("ours", "this project", "run_ours.py", "arlbench")

PEERS = {
    peer.name: peer
    for peer in (
        OURS,
        Peer(
            "published",
            "arlbench 0.1.3",
            "run_published.py",
            "arlbench.core.algorithms",
            {"NPROC": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
            (("published.txt",), ("--no-deps", "published-no-deps.txt")),
        ),
        # Its runner gives torch one thread.
        Peer("sb3", "stable-baselines3", "run_sb3.py", "stable_baselines3", {}, (("sb3.txt",),)),
        Peer("sbx", "sbx", "run_sbx.py", "sbx", {"NPROC": "1"}, (("sbx.txt",),)),
        Peer("rejax", "rejax", "run_rejax.py", "rejax", {"NPROC": "1"}, (("rejax.txt",),)),
    )
}


def clean_environment(peer: Peer) -> dict[str, str]:
    """The environment variables of a process of this peer."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    return {**kept, "PYTHONNOUSERSITE": "1", **peer.settings}


def interpreter(peer: Peer, folder: Path) -> Path:
    """The Python of this peer, which is installed first if necessary.

    Raises:
        PeerError: If it cannot be installed.
    """
    if not peer.installs:
        return Path(sys.executable)
    home = folder / f"{peer.name}-{_fingerprint(peer)}"
    if not (home / _COMPLETE).exists():
        print(f"Installing {peer.title} …", flush=True)
        shutil.rmtree(home, ignore_errors=True)  # left by an interrupted installation
        _install(peer, home)
        (home / _COMPLETE).touch()
    return home / "bin" / "python"


def _fingerprint(peer: Peer) -> str:
    """A checksum of the requirements, so that the environment is made again if they change."""
    files = [install[-1] for install in peer.installs]
    text = "".join((REQUIREMENTS / name).read_text() for name in files)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _install(peer: Peer, home: Path) -> None:
    python = home / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _step(peer, "venv", [_python311(), "-m", "venv", str(home)])
    _step(peer, _BUILD_TOOLS, [*pip, "-r", str(REQUIREMENTS / _BUILD_TOOLS)])
    for *options, name in peer.installs:
        _step(peer, name, [*pip, *options, "-r", str(REQUIREMENTS / name)])
    # This also writes the byte code, so that the first measured process does not have to.
    _step(peer, f"import {peer.probe}", [str(python), "-c", f"import {peer.probe}"])


def _python311() -> str:
    """The pins are for Python 3.11."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        raise PeerError("its pinned packages need Python 3.11, which was not found")
    return found


def _step(peer: Peer, what: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=clean_environment(peer),
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"installation failed at {what}: {type(error).__name__}") from None
    if done.returncode:
        raise PeerError(f"installation failed at {what}: {last_words(done.stderr)}")


def last_words(text: str) -> str:
    """The most informative line of a failed program's output, without paths."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()] or lines or ["no message"]
    words = [Path(w).name if w.startswith("/") else w for w in telling[-1].split()]
    return " ".join(words)[:200]
