"""The Python of the documentation runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_the_examples_on_checkpoints_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = DOCS / "checkpoints.md"
    text = page.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    printed = capsys.readouterr().out
    # What the page says is printed.
    assert "checkpoints/checkpoint-000001\nhalf-way ()\n(2, 4)\n" in printed
    assert "params/out/kernel" in printed
    assert f"```\n{names['complaint']}\n```" in text
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints", "within", "best", "rows"}
