"""Tables of plain text in which no cell is ever broken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

#: Spaces between two columns.
GAP = "  "

_MORE = " ..."


def widths(rows: Iterable[Sequence[str]]) -> list[int]:
    """The width of each column."""
    return [max(map(len, cells)) for cells in zip(*rows, strict=True)]


def lines(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The rows with aligned cells, two spaces apart.

    Args:
        rows: All of the same length.
        right: Columns of numbers, which are aligned on the right.
    """
    of_column = widths(rows)
    return [
        GAP.join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, of_column, strict=True))
        ).rstrip()
        for row in rows
    ]


def fitting(rows: Sequence[Sequence[str]], width: int) -> int:
    """How many columns, from the left, fit into a width; at least two."""
    used, n = 0, 0
    for of_column in widths(rows):
        used += of_column + (len(GAP) if n else 0)
        if used > width:
            break
        n += 1
    return max(n, 2)


def shortened(text: str, width: int) -> str:
    """The text if it fits, otherwise as many of its words as fit, and dots."""
    if len(text) <= width:
        return text
    words, kept = text.split(" "), ""
    for word in words:
        longer = f"{kept} {word}" if kept else word
        if len(longer) + len(_MORE) > width:
            break
        kept = longer
    return f"{kept.rstrip(',')}{_MORE}" if kept else _MORE.strip()
