"""Putting a label on an issue or a pull request; GitHub makes one that the repository lacks.

Such a label is grey and has no description. That is seen in the answer, so the request that gives
it its own is made once in the life of a repository, and a label that a person changed stays.
"""

from typing import Any
from urllib.parse import quote

from loop_kit.adapters.github.api import GitHubApi
from loop_kit.core.forge.status import Label

_NEW = ("ededed", None)


def add(api: GitHubApi, number: int, label: Label) -> None:
    """Put `label` on the issue or pull request `number`."""
    for found in api.send("issues: write", "POST", f"/issues/{number}/labels", _named(label)):
        if found["name"] == label.name and (found["color"], found["description"]) == _NEW:
            look = {"color": label.color, "description": label.description}
            path = f"/labels/{quote(label.name, safe='')}"
            api.set("issues: write", "PATCH", path, look, unless=404)


def _named(label: Label) -> dict[str, Any]:
    return {"labels": [label.name]}
