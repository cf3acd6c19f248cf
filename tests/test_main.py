"""The command as an installed program starts it."""

from __future__ import annotations

import subprocess
import sys

# Interrupts the import of the command line, as Ctrl-C in the first moment does.
INTERRUPTED = """
import sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "arlbench.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from arlbench.__main__ import run
run()
"""


def test_ctrl_c_while_the_command_is_imported_ends_it_quietly() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "arlbench", "--version"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
