"""What `loop doctor` asks the forge: whether its rules take what a loop pushes.

Only where a token is exported, as whoever has none has not asked for it. GitHub's client is heavy:
this module is loaded for it alone.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.rules import SIGNATURES, branch_rules
from loop_kit.core.agent.checkup import Check, CheckState
from loop_kit.errors import LoopError
from loop_kit.usecases.remote import remote_place


def check_rules(git: Git, environ: Mapping[str, str], prefix: str) -> Iterator[Check]:
    """Whether a rule refuses the loop's branches; nothing where the forge cannot be asked."""
    branch = f"{prefix}/doctor/work"
    try:
        access = remote_place(git, environ).access()
        if access is None:
            return
        rules = branch_rules(GitHubApi(replace(access, pace=0), time.sleep), branch)
    except LoopError as error:
        yield Check("branch rules", CheckState.WARN, error.sentence, error.remedy, needed=False)
        return
    if any(rule.get("type") == SIGNATURES for rule in rules):
        detail = f"a ruleset requires verified commits on {prefix}/**, and git in a job signs none"
        fix = (
            f"exempt {prefix}/** from it, or let the GitHub App of github-token bypass it; GitHub"
            " signs what it squashes"
        )
        yield Check("branch rules", CheckState.WARN, detail, fix)
    else:
        yield Check("branch rules", CheckState.OK, f"none asks {prefix}/** for signatures")
