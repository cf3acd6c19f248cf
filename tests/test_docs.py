"""The Python in the documentation runs as it stands there, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    page.name: blocks
    for page in sorted(DOCS.glob("*.md"))
    if (blocks := re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
}

# Arrow's types as the page calls them.
TYPES = {
    "int64": "int64", "double": "float64", "string": "string",
    "list<item: float>": "list of float32",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run_in_order(page, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in PAGES[page]:
        exec(compile(block, page, "exec"), names)


def test_the_page_on_sweeps_names_every_column_and_option() -> None:
    from arlbench.sweeps.sampling import SAMPLERS
    from arlbench.sweeps.table import RESULT_FIELDS

    text = (DOCS / "sweeps.md").read_text()
    for field in RESULT_FIELDS:
        assert f"| `{field.name}` | {TYPES[str(field.type)]} |" in text
    for sampler in SAMPLERS:
        assert f"| `{sampler}` |" in text
