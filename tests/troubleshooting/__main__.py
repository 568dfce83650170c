"""Writes the page about messages: `python -m tests.troubleshooting`."""

from tests.troubleshooting.page import NAME, ROOT, page

(ROOT / NAME).write_text(page(), "utf-8")
