"""Pydantic without what is compiled for nobody while it is loaded: a fifteenth of a short run.

A `TypedDict` compiles each of its annotations. `pydantic_core.core_schema` defines a hundred, which
only a type checker reads: while it is loaded, a `TypedDict` is a class that makes dictionaries.

A dataclass compiles up to six methods. Pydantic and what it needs define sixty of them, of which a
run uses few: from then on a method is compiled when it is first called. Python 3.13 and later,
which compile all methods of a class at once, are left alone.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_NAME = "pydantic_core.core_schema"
_COMPILE = "_create_fn"


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
        _postpone_methods()
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


def _postpone_methods() -> None:
    """Have the methods of dataclasses compiled late, where one function compiles one of them."""
    import dataclasses

    names = vars(dataclasses)
    compile_one = names.get(_COMPILE)
    if callable(compile_one):
        names[_COMPILE] = partial(_late_method, compile_one)


def _late_method(
    compile_one: Callable[..., Callable[..., Any]], name: str, *given: Any, **named: Any
) -> Callable[..., Any]:
    compiled: list[Callable[..., Any]] = []

    def method(*arguments: Any, **keywords: Any) -> Any:
        if not compiled:
            made = compile_one(name, *given, **named)
            made.__qualname__ = method.__qualname__
            compiled.append(made)
        return compiled[0](*arguments, **keywords)

    method.__name__ = name
    return method


def lighten_pydantic() -> None:
    """Have pydantic loaded so, unless it is loaded already."""
    if _NAME not in sys.modules:
        sys.meta_path.insert(0, _Finder())
