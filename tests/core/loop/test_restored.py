"""Whether a fix takes back what the fix before it did."""

from __future__ import annotations

from itertools import pairwise

import pytest

from loop_kit.core.loop.restored import Versions, takes_back, takes_back_again

GUARD = "    if amount < 0:\n        raise ValueError(amount)\n"
BEFORE = "def pay(amount):\n" + GUARD + "    send(amount)\n    return True\n"
WITHOUT = BEFORE.replace(GUARD, "")
ROUNDED = BEFORE.replace("send(amount)", "send(round(amount, 2))")


def taken_back(first: str, second: str, third: str) -> bool:
    """Whether the fix that ends with `third` takes back the one that ended with `second`."""
    versions = [text.encode() for text in (first, second, third)]
    return takes_back(Versions(*versions[:2]), Versions(*versions[1:]))


@pytest.mark.parametrize(
    "versions",
    [
        (BEFORE, WITHOUT, BEFORE),
        (WITHOUT, BEFORE, WITHOUT),
        (BEFORE, ROUNDED, BEFORE),
        (BEFORE, "", BEFORE),
        ("", BEFORE, ""),
    ],
    ids=[
        "removed and restored",
        "added and removed",
        "changed and changed back",
        "deleted and back",
        "a new file and gone",
    ],
)
def test_a_fix_takes_back(versions: tuple[str, str, str]) -> None:
    assert taken_back(*versions)


@pytest.mark.parametrize(
    "versions",
    [
        (WITHOUT, BEFORE, ROUNDED),
        (BEFORE, WITHOUT, WITHOUT + "# checked elsewhere\n"),
        (BEFORE, ROUNDED, ROUNDED.replace("2", "3")),
        (BEFORE, ROUNDED, ROUNDED),
    ],
    ids=["added and built on", "removed and left so", "changed again", "not changed"],
)
def test_a_fix_goes_forward(versions: tuple[str, str, str]) -> None:
    assert not taken_back(*versions)


def test_lines_that_say_nothing_are_in_every_change() -> None:
    assert not taken_back("a = 1\nelse:\n}\n", "a = 1\n", "a = 1\nelse:\n}\n")


def test_lines_that_only_move_and_white_space_are_no_change() -> None:
    moved = WITHOUT.replace("    return True\n", GUARD + "    return True\n")
    assert not taken_back(BEFORE, moved, BEFORE)
    assert not taken_back(BEFORE, BEFORE.replace("    ", "\t"), BEFORE)


def test_bytes_that_are_no_text_are_data() -> None:
    one, other = b"\xff\xfe binary one\n", b"\xff\xfe binary other\n"
    assert takes_back(Versions(one, other), Versions(other, one))


def to_and_fro(*texts: str) -> bool:
    """Whether the last of three fixes changes the lines that the two before it did."""
    pairs = pairwise(texts)
    return takes_back_again(*(Versions(old.encode(), new.encode()) for old, new in pairs))


@pytest.mark.parametrize("other", [WITHOUT, ROUNDED], ids=["added and removed", "rewritten"])
def test_the_same_lines_to_and_fro_are_taken_back_again(other: str) -> None:
    assert to_and_fro(BEFORE, other, BEFORE, other)
    assert not to_and_fro(BEFORE, other, BEFORE, BEFORE + "a_new_line = 1\n")


def test_a_fix_that_repairs_what_a_reversal_broke_does_not_take_it_back_again() -> None:
    broken = BEFORE.replace("    return True\n", "")
    assert takes_back(
        Versions(WITHOUT.encode(), broken.encode()), Versions(broken.encode(), BEFORE.encode())
    )
    assert not to_and_fro(BEFORE, WITHOUT, broken, BEFORE)


def test_one_line_to_and_fro_in_a_larger_fix_is_chance() -> None:
    imported = "import decimal\n" + BEFORE
    larger = imported.replace(GUARD, "    check(decimal, amount)\n    log(decimal, amount)\n")
    assert not to_and_fro(BEFORE, imported, BEFORE, larger)
