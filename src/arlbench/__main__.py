"""``python -m arlbench``: the command line."""

from arlbench.cli.main import run

run()
