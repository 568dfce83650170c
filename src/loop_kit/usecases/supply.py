"""What completes the commits of the user's clone; only a partial one needs its remote."""

import re
from collections.abc import Mapping

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Complete, Supply

_PROMISOR = re.compile(r"remote\.(.*)\.promisor", re.DOTALL)


def supply_of(git: Git, environ: Mapping[str, str]) -> Supply:
    """What completes the commits of a partial clone, from the remote that promised the rest.

    Raises:
        BadSetting: there is no remote of that name any more.
    """
    local = [setting.name for setting in git.settings if setting.scope == "local"]
    remotes = [found[1] for found in map(_PROMISOR.fullmatch, local) if found]
    if not remotes:
        return Complete()
    from loop_kit.adapters.git.partial_checkout import PartialCheckout
    from loop_kit.usecases.remote import remote_place

    return PartialCheckout(git, remote_place(git, environ, remotes[0]).remote)
