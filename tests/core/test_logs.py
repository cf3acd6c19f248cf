"""A message of many agents is logged once."""

from __future__ import annotations

import logging

from arlbench.core.logs import info_once


def test_a_sentence_is_logged_once_by_each_logger(caplog):
    first, second = (logging.getLogger(f"arlbench.{name}") for name in ("first", "second"))
    with caplog.at_level(logging.INFO, logger="arlbench"):
        for log, sentence in ((first, "a"), (first, "a"), (first, "b"), (second, "a")):
            info_once(log, sentence)
    assert [(r.name, r.message) for r in caplog.records] == [
        ("arlbench.first", "a"),
        ("arlbench.first", "b"),
        ("arlbench.second", "a"),
    ]
