"""Log messages that many agents would repeat."""

from __future__ import annotations

import functools
import logging


@functools.cache
def info_once(log: logging.Logger, sentence: str) -> None:
    """Logs a sentence, unless this process has logged it.

    The members of a population are alike, and thousands of them would say the same.
    """
    log.info("%s", sentence)
