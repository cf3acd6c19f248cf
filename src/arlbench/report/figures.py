"""Figures as files."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


def png_of(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
