"""Pydantic without what is compiled for nobody while it is loaded: a twentieth of a short run.

A `TypedDict` compiles each of its annotations. `pydantic_core.core_schema` defines a hundred, which
only a type checker reads: while it is loaded, a `TypedDict` is a class that makes dictionaries.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_NAME = "pydantic_core.core_schema"


class _LightMeta(type):
    def __new__(
        cls, name: str, bases: tuple[type, ...], members: dict[str, Any], *, total: bool = True
    ) -> Any:
        del bases, total
        return type.__new__(cls, name, (dict,), members)

    __call__ = dict


_LIGHT = type.__new__(_LightMeta, "TypedDict", (), {})


class _Finder:
    """Finds that module, once, with a loader of its own."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What an import asks of each finder."""
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            light: Any = _Loader(spec.loader)
            spec.loader = light
        return spec


class _Loader:
    """Loads a module with what `loader` finds, while a `TypedDict` is light."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code, as an import asks for it."""
        import typing

        import typing_extensions

        kept = [(vars(each), each.TypedDict) for each in (typing, typing_extensions)]
        for names, _ in kept:
            names["TypedDict"] = _LIGHT
        try:
            self._loader.exec_module(module)
        finally:
            for names, typed_dict in kept:
                names["TypedDict"] = typed_dict


def lighten_pydantic() -> None:
    """Have pydantic loaded so, unless it is loaded already."""
    if _NAME not in sys.modules:
        sys.meta_path.insert(0, _Finder())
