"""Modules of the standard library that are loaded when something is asked of them.

Pydantic imports `importlib.metadata` to look for plug-ins, which are off here (`cli.main`); that
brings the standard library's e-mail and zip files along, a thirtieth of a short run. The others are
imported for functions that no run calls: together a hundredth.
"""

import importlib
import sys
from functools import partial
from types import ModuleType
from typing import Any

_METADATA = "importlib.metadata"
_CALLED = "entry_points"
"""Its function that is imported by name long before it is called."""
_PLAIN = ("bz2", "locale", "lzma", "ntpath", "textwrap", "tokenize")


class _LateModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_load(self), name)


class _LateMetadata(_LateModule):
    def __init__(self) -> None:
        super().__init__(_METADATA)
        self.__path__ = [f"{folder}/metadata" for folder in importlib.__path__]

    def __getattr__(self, name: str) -> Any:
        return partial(_call, self) if name == _CALLED else super().__getattr__(name)


def postpone_modules() -> None:
    """Have these modules loaded late, unless they are loaded already."""
    sys.modules.setdefault(_METADATA, _LateMetadata())
    for name in _PLAIN:
        sys.modules.setdefault(name, _LateModule(name))


def _call(late: ModuleType, **wanted: object) -> Any:
    return getattr(_load(late), _CALLED)(**wanted)


def _load(late: ModuleType) -> ModuleType:
    name = late.__name__
    if sys.modules.get(name) is late:
        del sys.modules[name]
    return importlib.import_module(name)
