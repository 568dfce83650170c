"""What a room is made of, as data: decided by this program, read by the one that builds it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Network = Literal["open", "none"]
ENVIRONMENT = "environment"
"""The pipe with the program's environment, beside the plan, where `sudo` would take it away."""


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """One room. Paths are absolute; what does not exist is passed over, but for `writable`.

    Attributes:
        writable: Folders in which changes are real.
        shown: What is seen as it is, read-only, also below a folder that is emptied.
        layered: Folders over which changes are thrown away with the room.
        hidden: Files and folders that are seen empty.
        scratch: A fresh folder on disk for /tmp and for the layers; they are in memory without one,
            and where its file system cannot hold a layer.
        network: Whether the room has the machine's network, or none but its own loopback.
        user: Who the program is, as user and group id, when root builds the room for them.
        in_user_namespace: Whether the one who builds it has the rights for that only in a user
            namespace.
    """

    writable: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    layered: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    scratch: str | None = None
    network: Network = "open"
    user: tuple[int, int] | None = None
    in_user_namespace: bool = False

    def to_json(self) -> bytes:
        """The plan as the builder reads it."""
        return json.dumps(asdict(self)).encode("utf-8", "surrogateescape")


def parse_plan(raw: bytes) -> RoomPlan:
    """The plan in `raw`, which this program wrote."""
    document: Mapping[str, Any] = json.loads(raw.decode("utf-8", "surrogateescape"))
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in document.items()
    }
    return RoomPlan(**fields)
