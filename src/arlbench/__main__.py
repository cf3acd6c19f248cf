"""The ``arlbench`` command, also as ``python -m arlbench``."""

import sys


def run() -> None:
    """Runs the command line; Ctrl-C ends it quietly, even while it is being imported."""
    try:
        from arlbench.cli import main  # noqa: PLC0415

        main.run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
