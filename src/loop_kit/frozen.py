"""Frozen records that cost next to nothing to define.

`dataclasses` compiles six methods for each class: half a millisecond, and a run defines about two
hundred. The classes here share their methods, and are dataclasses for the type checker and for
`replace`, `fields` and `asdict`. They have no base class, and no options of a field but its
default; what needs more is a dataclass.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, FrozenInstanceError, dataclass, field
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
_FIELDS = "__dataclass_fields__"


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make `cls` a frozen record: equal, and hashed, by its class and its fields."""
    names = tuple(cls.__annotations__)
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    for name, default in defaults.items():
        if isinstance(default, Field):
            delattr(cls, name)
    members: dict[str, Any] = {
        "__init__": _initializer(cls.__qualname__, names, defaults),
        "__repr__": _describe,
        "__eq__": _equals,
        "__hash__": _hash,
        "__setattr__": _refuse_change,
        "__delattr__": _refuse_change,
        "__match_args__": names,
        _FIELDS: _Fields(cls.__annotations__, defaults),
    }
    for name, member in members.items():
        setattr(cls, name, member)
    return cls


def _initializer(
    title: str, names: tuple[str, ...], defaults: Mapping[str, Any]
) -> Callable[..., None]:
    def initialize(self: object, *values: object, **named: object) -> None:
        given = dict(zip(names, values, strict=False))
        given.update(named)
        count = len(given)
        if count != len(values) + len(named):
            raise TypeError(f"{title} takes {', '.join(names)}, each once")
        if named or count < len(names):
            for name in names:
                if name not in given:
                    if name not in defaults:
                        raise TypeError(f"{title} needs {name!r}")
                    given[name] = _made(defaults[name])
        if len(given) != len(names):
            raise TypeError(f"{title} takes {', '.join(names)}, each once")
        vars(self).update(given)

    return initialize


def _made(default: Any) -> Any:
    if isinstance(default, Field):
        make: Any = default.default_factory
        return make()
    return default


def _values(of: Any) -> tuple[object, ...]:
    held = vars(of)
    return tuple([held[name] for name in of.__match_args__])


def _describe(self: Any) -> str:
    held = vars(self)
    fields = ", ".join(f"{name}={held[name]!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({fields})"


def _equals(self: object, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash(_values(self))


def _refuse_change(self: object, name: str, value: object = None) -> None:
    del value
    raise FrozenInstanceError(f"{type(self).__qualname__}.{name} cannot be changed")


class _Fields:
    """The fields as `dataclasses` wants them, made when it first asks."""

    def __init__(self, kinds: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        # Of a class without a docstring `dataclass` makes one, which takes most of its time.
        self._members = {"__annotations__": dict(kinds), "__doc__": "Fields.", **defaults}

    def __get__(self, instance: object, owner: type) -> Mapping[str, Any]:
        bare: type = dataclass(init=False, repr=False, eq=False)(type("_", (), self._members))
        fields: Mapping[str, Any] = vars(bare)[_FIELDS]
        setattr(owner, _FIELDS, fields)
        return fields
