"""`make reference`: write docs/reference.md."""

from __future__ import annotations

from tests.pages import ROOT
from tests.reference.page import text

if __name__ == "__main__":
    (ROOT / "docs" / "reference.md").write_text(text(), "utf-8")
