"""`make scale`: write docs/scale.md."""

from __future__ import annotations

from pathlib import Path

from tests.scale.page import text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"

if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
