"""`importlib.metadata`, loaded when something is asked of it.

Pydantic imports it to look for plug-ins, which are off here (`cli.main`); it brings the standard
library's e-mail and zip files along, a thirtieth of a short run.
"""

import importlib
import sys
from functools import partial
from types import ModuleType
from typing import Any

_NAME = "importlib.metadata"
_CALLED = "entry_points"
"""The function that is imported by name long before it is called."""


class _LateModule(ModuleType):
    def __init__(self) -> None:
        super().__init__(_NAME)
        self.__path__ = [f"{folder}/metadata" for folder in importlib.__path__]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == _CALLED:
            return partial(_call, self)
        return getattr(_load(self), name)


def postpone_metadata() -> None:
    """Have the module loaded late, unless it is loaded already."""
    sys.modules.setdefault(_NAME, _LateModule())


def _call(late: ModuleType, **wanted: object) -> Any:
    return getattr(_load(late), _CALLED)(**wanted)


def _load(late: ModuleType) -> ModuleType:
    if sys.modules.get(_NAME) is late:
        del sys.modules[_NAME]
    return importlib.import_module(_NAME)
