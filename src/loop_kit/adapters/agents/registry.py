"""The available backends: built-in ones, registered ones, and those of installed packages.

A package provides one by an entry point in the group `loop_kit.backends`, whose object is a
function from `Setup` to an agent, or a module that calls `register_backend` when it is imported.
Packages are searched only for a name that is not built in, and can never replace a built-in one.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from loop_kit.errors import BadSetting
from loop_kit.patterns import late_pattern

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from loop_kit.adapters.agents.command_line import Setup
    from loop_kit.ports import Agent

    Factory = Callable[[Setup], Agent]

GROUP = "loop_kit.backends"
_NAME = late_pattern(r"[a-z0-9][a-z0-9._-]{0,63}")


class Registry:
    """Backends by name; names are trimmed and lower-cased."""

    def __init__(self, built_in: "Mapping[str, Factory]") -> None:
        self._built_in = built_in
        self._registered: dict[str, Factory] = {}

    def register(self, name: str, factory: "Factory") -> None:
        """Add a backend.

        Raises:
            BadSetting: the name is empty, cannot be a name, or is built in.
        """
        plain = name.strip().lower()
        if not _NAME.fullmatch(plain):
            raise BadSetting(
                f"A backend cannot be named {name!r}.",
                "Use letters, digits, '.', '_' and '-'.",
                anchor="backend-plugin",
            )
        if plain in self._built_in:
            raise BadSetting(
                f"The backend {plain} is built in.", "Choose another name.", anchor="backend-plugin"
            )
        self._registered[plain] = factory

    def find(self, name: str) -> "Factory | None":
        """The backend `name`, or None.

        Raises:
            BadSetting: an installed package provides it and cannot be loaded.
        """
        plain = name.strip().lower()
        known = self._built_in.get(plain) or self._registered.get(plain)
        if known is not None:
            return known
        for point in _points():
            if point.name.strip().lower() == plain:
                return self._load(plain, point)
        return None

    def names(self) -> tuple[str, ...]:
        """All names, the built-in ones first."""
        points = (point.name.strip().lower() for point in _points())
        return tuple(dict.fromkeys((*self._built_in, *self._registered, *sorted(points))))

    def _load(self, name: str, point: "EntryPoint") -> "Factory":
        try:
            found = point.load()
        except Exception as error:  # the package may raise anything
            raise BadSetting(
                f"The backend {name} cannot be loaded from {point.value}: {error}.",
                "Fix or remove the package that provides it.",
                anchor="backend-plugin",
            ) from None
        factory: Factory | None = found if callable(found) else self._registered.get(name)
        if factory is None:
            raise BadSetting(
                f"{point.value} provides no backend {name}.",
                "Name a function, or a module that calls register_backend, in its package.",
                anchor="backend-plugin",
            )
        return factory


def _points() -> "EntryPoints":
    """What installed packages provide."""
    from importlib import metadata

    return metadata.entry_points(group=GROUP)
