"""The labels of the loop, made on GitHub by `loop init --github` where a token allows it.

The action makes the labels of outcomes when it needs them; the label that starts a loop has to be
there before somebody can set it. Loaded only when there is a token, since GitHub's client is heavy.
"""

import os
import time
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.github.api import Access, GitHubApi
from loop_kit.cli.github_files import TRIGGER_LABEL
from loop_kit.core.forge.status import LABELS, Label
from loop_kit.usecases.remote import remote_place


def make_labels(root: Path) -> str:
    """Make the labels that are missing on the forge of the remote `origin`; the repository.

    '' where the forge cannot be asked. A label that is there already stays as it is.

    Raises:
        LoopError: there is no such remote, or the forge said no or nothing.
    """
    place = remote_place(Git(root, os.environ, isolated=False), os.environ)
    if not (place.token and place.repository):
        return ""
    access = Access(place.api_url, place.server_url, place.repository, place.token)
    api = GitHubApi(access, time.sleep)
    for label in (Label(*TRIGGER_LABEL), *LABELS):
        made = {"name": label.name, "color": label.color, "description": label.description}
        api.set("issues: write", "POST", "/labels", made, unless=422)
    return place.repository
