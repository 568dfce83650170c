"""A frozen record does what a frozen dataclass does, as far as records of this program need it."""

from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace

import pytest

from loop_kit.frozen import frozen


@frozen
class Place:
    """Where a finding is."""

    file: str
    line: int = 1
    notes: list[str] = field(default_factory=list)


@frozen
class Other:
    """A record with the same fields."""

    file: str
    line: int = 1


def test_a_record_takes_its_fields_by_place_and_by_name_and_has_defaults() -> None:
    place = Place("calc.py", line=5)
    assert (place.file, place.line, place.notes) == ("calc.py", 5, [])
    assert place.notes is not Place("calc.py").notes


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("calc.py", 1, [], 2), {}),
        (("calc.py",), {"file": "twice.py"}),
        (("calc.py",), {"column": 3}),
        (("calc.py", 1), {"column": 3}),
    ],
)
def test_a_field_that_is_missing_given_twice_or_unknown_is_refused(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    make: type = Place
    with pytest.raises(TypeError, match="Place"):
        make(*values, **named)


def test_a_record_cannot_be_changed() -> None:
    place = Place("calc.py")
    with pytest.raises(FrozenInstanceError):
        setattr(place, "line", 2)  # noqa: B010
    with pytest.raises(FrozenInstanceError):
        del place.line
    assert place == Place("calc.py")


def test_records_are_equal_and_hashed_by_their_class_and_fields() -> None:
    assert Other("a", 2) == Other("a", 2) != Other("a", 3)
    assert Other("a") != Place("a")
    assert {Other("a"), Other("a", 1), Other("b")} == {Other("a"), Other("b")}


def test_a_record_shows_its_fields_and_matches_by_place() -> None:
    assert repr(Other("a", 2)) == "Other(file='a', line=2)"
    match Other("a", 2):
        case Other(file, line):
            assert (file, line) == ("a", 2)


def test_the_functions_of_dataclasses_take_a_record() -> None:
    place = Place("calc.py", 2, ["n"])
    assert is_dataclass(place)
    assert [each.name for each in fields(Place)] == ["file", "line", "notes"]
    assert asdict(place) == {"file": "calc.py", "line": 2, "notes": ["n"]}
    assert replace(place, line=3) == Place("calc.py", 3, ["n"])
    assert replace(Other("a"), file="b") == Other("b")
