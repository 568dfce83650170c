"""An entry that could never match a path, or an example's goal, is refused before a loop begins."""

import json

import pytest

from loop_kit import defaults
from loop_kit.core.card.enforced import accept_card, why_unenforced
from loop_kit.core.card.scope import Change, Commit, ScopeRules, judge, patterns
from loop_kit.core.card.task import MINIMAL_CARD, TaskCard
from loop_kit.errors import BadCard


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("src/  # only the parser", "a remark after #"),
        ("calc.py  # only the parser", "words after a path"),
        ("calc.py (only the parser)", "words after a path"),
        ("calc.py - mine", "words after a path"),
        ("calc.py: mine", "words after a path"),
        ("calc.py, test.py and more", "words after a path"),
        ("# src/", "a remark after #"),
        ("src/ (only the parser)", "more than one path"),
        ("src/ - only the parser", "more than one path"),
        ("src/a.py (only the parser)", "words after a path"),
        ("src/a.py: only the parser", "more than one path"),
        ("src/, tests/", "more than one path"),
        ("src/ and tests/", "more than one path"),
        ("src/a.py,", "more than one path"),
        ("Do not touch the CI/CD setup", "words after a path"),
        ("- src/", "mark of a list"),
        ("* src/", "mark of a list"),
        ("`src/`", "in quotes"),
        ('"src/"', "in quotes"),
        ("../other/", "leaves the repository"),
        ("src/../../x", "leaves the repository"),
        ("~/project/src/", "no path of the repository"),
        ("C:/project/src/", "no path of the repository"),
        ("https://github.com/o/r/blob/main/a.py", "no path of the repository"),
        ("src\\parser\\a.py", "has \\ between folders"),
        ("src//a.py", "as no path is"),
        ("src/./a.py", "as no path is"),
        ("/", "as no path is"),
        ("!src/a.py", "an exception to nothing"),
    ],
)
def test_what_would_protect_nothing_is_refused_with_the_reason(entry: str, why: str) -> None:
    card = TaskCard(task_id="T-1", goal="g", out_of_scope=(entry,))
    with pytest.raises(BadCard) as refused:
        accept_card(card, "card.json")
    assert why in refused.value.sentence
    assert refused.value.sentence.startswith("card.json: the entry ")
    assert refused.value.remedy
    assert TaskCard(task_id="T-1", goal="g", in_scope=(entry,)), "in_scope is advice"


@pytest.mark.parametrize(
    "entry",
    [
        *("src/", "/src/", "./src/", "*.md", "src/**/gen", "setup.py", ".env", "[a-z]*.py"),
        *("my docs/guide.md", "my docs/**", "docs/my\\ file.md", "a\\#b/", "a#b/c", "c#/x.cs"),
        *(
            "the public API",
            "Makefile",
            "",
            "etc.",
            "Do not touch the parser.",
            "Node.js upgrades",
            "new\nline.txt",
        ),
    ],
)
def test_what_can_match_and_what_is_only_advice_is_taken(entry: str) -> None:
    assert why_unenforced(entry, is_first=True) is None


def test_an_exception_to_an_entry_before_it_is_taken() -> None:
    card = TaskCard(task_id="T-1", goal="g", out_of_scope=("src/*", "!src/a.py"))
    assert accept_card(card, "card.json") is card


def test_a_path_that_begins_at_the_root_with_a_dot_is_enforced() -> None:
    rules = ScopeRules(out_of_scope=patterns(("./src/",)))
    changes = (Change(path="src/a.py"), Change(path="lib/src/a.py"))
    found = judge([Commit(sha="a" * 40, changes=changes)], rules)
    assert [violation.path for violation in found] == ["src/a.py"]


@pytest.mark.parametrize("example", [MINIMAL_CARD, defaults.text("examples/task_card.json")])
def test_a_card_whose_goal_is_still_that_of_an_example_begins_no_loop(example: str) -> None:
    card = TaskCard.model_validate(json.loads(example))

    with pytest.raises(BadCard, match="the goal is still that of the example") as refused:
        accept_card(card, "card.json")
    assert refused.value.anchor == "card-example"
    assert accept_card(card.model_copy(update={"goal": "add is right"}), "card.json")
