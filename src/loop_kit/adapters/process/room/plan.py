"""What a room is made of, as data: decided by this program, read by the one that builds it.

No dataclass and no JSON: what they import takes longer than the room.
"""

from __future__ import annotations

import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Network = Literal["open", "none"]
else:
    Network = str

PLAN = "plan"
"""The file with the plan, in the folder that a builder is given."""
ENVIRONMENT = "environment"
"""The pipe with the program's environment, beside the plan, where `sudo` would take it away."""


class RoomPlan:
    """One room. Paths are absolute; what does not exist is passed over, but for `writable`.

    Attributes:
        writable: Folders in which changes are real.
        shown: What is seen as it is, read-only, also below a folder that is emptied.
        layered: Folders over which changes are thrown away with the room.
        hidden: Files and folders that are seen empty.
        disk: Where the box that starts the program makes `scratch`.
        scratch: A fresh folder on disk for /tmp and for the layers; they are in memory without one,
            and where its file system cannot hold a layer.
        network: Whether the room has the machine's network, or none but its own loopback.
        user: Who the program is, as user and group id, when root builds the room for them.
        in_user_namespace: Whether the one who builds it has the rights for that only in a user
            namespace.
    """

    def __init__(
        self,
        *,
        writable: tuple[str, ...] = (),
        shown: tuple[str, ...] = (),
        layered: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
        disk: str | None = None,
        scratch: str | None = None,
        network: Network = "open",
        user: tuple[int, int] | None = None,
        in_user_namespace: bool = False,
    ) -> None:
        self.writable = writable
        self.shown = shown
        self.layered = layered
        self.hidden = hidden
        self.disk = disk
        self.scratch = scratch
        self.network: Network = network
        self.user = user
        self.in_user_namespace = in_user_namespace

    def changed(self, **values: Any) -> RoomPlan:
        """The same plan with other values."""
        return RoomPlan(**{**vars(self), **values})

    def to_bytes(self) -> bytes:
        """The plan as a builder, which is run by the same Python, reads it."""
        return marshal.dumps(vars(self))


def read_plan(folder: str) -> RoomPlan:
    """The plan that this program wrote into `folder`."""
    with open(f"{folder}/{PLAN}", "rb") as file:
        return RoomPlan(**marshal.loads(file.read()))  # noqa: S302  our own
