"""`make picture`: write docs/images/pull-request-light.svg and -dark.svg."""

from __future__ import annotations

from tests.picture.pull_request import PLACE, THEMES, picture

if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for theme in THEMES:
        (PLACE / f"pull-request-{theme}.svg").write_text(picture(theme), "utf-8")
