"""The labels of the loop, created on GitHub by `loop init --github` where a token allows it.

The action creates the labels of outcomes when it needs them; the label that starts a loop has to
exist before somebody can set it. Loaded only when there is a token, since GitHub's client is heavy.
"""

import os
import time
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.github.api import GitHubApi
from loop_kit.core.forge.status import LABELS, Label
from loop_kit.usecases.github_files import TRIGGER_LABEL
from loop_kit.usecases.remote import remote_place


def make_labels(root: Path) -> str | None:
    """Create the missing labels in the repository of the remote `origin`; returns its name.

    None where the forge cannot be asked. An existing label stays as it is.

    Raises:
        LoopError: there is no such remote, or the forge refuses or does not answer.
    """
    place = remote_place(Git(root, os.environ, isolated=False), os.environ)
    access = place.access()
    if access is None:
        return None
    api = GitHubApi(access, time.sleep)
    for label in (Label(*TRIGGER_LABEL), *LABELS):
        document = {"name": label.name, "color": label.color, "description": label.description}
        api.set("issues: write", "POST", "/labels", document, unless=422)
    return access.repository
