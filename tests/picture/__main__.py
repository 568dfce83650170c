"""`make picture`: write the pictures of docs/images/, each in both themes."""

from __future__ import annotations

from tests.picture.diagrams import WORDS, diagram
from tests.picture.pull_request import PLACE, THEMES, picture

if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for theme in THEMES:
        (PLACE / f"pull-request-{theme}.svg").write_text(picture(theme), "utf-8")
        for name in WORDS:
            (PLACE / f"{name}-{theme}.svg").write_text(diagram(name, theme), "utf-8")
