"""Task cards in issues and pull requests: which are found, and what is refused with which hint."""

import json

import pytest
import yaml

from loop_kit.core.card.issue import (
    HEADINGS,
    MINIMAL_ISSUE,
    Origin,
    attachment_links,
    card_in_issue,
    find_card,
)
from loop_kit.core.card.task import MAX_CARD_BYTES
from loop_kit.defaults import text
from loop_kit.errors import BadCard

# As GitHub renders a filled form: an empty answer is `_No response_`, `render: shell` is a fence.
FORM = """### Goal

Dates before 1970 are parsed like all others.

### Acceptance criteria

- parse('1969-12-31') returns that day
- the existing tests pass

### In scope

src/dates/
`tests/**/*.py`

### Out of scope

_No response_

### Constraints

_No response_

### Verify

```shell
make test
make lint
```"""
BLOCK = '```json\n{"goal": "add is right"}\n```'


def block(language: str = "json", **fields: object) -> str:
    return f"```{language}\n{json.dumps({'goal': 'add is right', **fields})}\n```"


def refusal(body: str, number: int = 12, title: str = "") -> str:
    with pytest.raises(BadCard) as refused:
        card_in_issue(body, number, title)
    assert refused.value.exit_code == 3
    assert refused.value.remedy
    assert "\n" not in refused.value.sentence
    return str(refused.value)


def test_a_block_among_prose_is_the_card() -> None:
    body = f"Hello,\n\nplease do this:\n\n{block(in_scope=['src/'])}\n\nThanks!\n"
    card = card_in_issue(body, 12)
    assert (card.task_id, card.goal, card.in_scope) == ("issue-12", "add is right", ("src/",))


@pytest.mark.parametrize(
    "opening", ["```json", "```JSON", "```json loop", "``` json title=card", "~~~json", "`````json"]
)
def test_the_first_word_of_the_fence_says_the_language(opening: str) -> None:
    marks = opening.rstrip("abcdefghijklmnopqrstuvwxyzJSON =")
    body = f'{opening}\n{{"goal": "add is right"}}\n{marks}'
    assert card_in_issue(body, 1).goal == "add is right"


@pytest.mark.parametrize("language", ["yaml", "yml", "YAML"])
def test_a_block_may_be_yaml(language: str) -> None:
    body = f"```{language}\ngoal: >\n  add is\n  right\nverify:\n  - make test\n```\n"
    card = card_in_issue(body, 3)
    assert (card.goal, card.verify) == ("add is right\n", ("make test",))


def test_a_pull_request_has_an_id_of_its_own() -> None:
    card = find_card(BLOCK, Origin("pull request", 7))
    assert card is not None
    assert card.task_id == "pr-7"
    assert find_card("Adds a thing.", Origin("pull request", 7)) is None


def test_a_task_id_in_the_card_is_taken() -> None:
    assert card_in_issue(block(task_id="T-9"), 12).task_id == "T-9"


@pytest.mark.parametrize("task_id", ["../x", "", "a b", "x.lock", None, 7])
def test_a_task_id_in_the_card_is_checked(task_id: object) -> None:
    assert "issue #12, line 1: 'task_id'" in refusal(block(task_id=task_id))


def test_the_title_of_the_issue_is_the_title_of_a_card_without_one() -> None:
    assert (
        card_in_issue(BLOCK, 1, "Task: \u202eadd\x1b[31m\n is wrong").title == "Task: add is wrong"
    )
    assert card_in_issue(block(title="Mine"), 1, "Theirs").title == "Mine"
    assert card_in_issue(BLOCK, 1).title == ""
    assert len(card_in_issue(BLOCK, 1, "x" * 9999).title) == 200


def test_two_cards_are_refused_with_their_lines() -> None:
    said = refusal(f"{BLOCK}\n\nor\n\n{BLOCK}")
    assert "issue #12 holds 2 task cards, at lines 1 and 7: which one is meant?" in said


def test_other_json_and_yaml_beside_the_card_is_none_of_our_business() -> None:
    other = '```json\n{"version": 2}\n```\n\n```yaml\n- a\n- b\n```\n\n```json\n{"a": ...}\n```\n'
    assert card_in_issue(f"{other}\n{BLOCK}\n\n```\n{{}}\n```", 1).goal == "add is right"
    assert find_card(other, Origin("issue", 1)) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (block(verfy=[]), "unknown key 'verfy'. Did you mean 'verify'?"),
        (block(limits={"max_round": 1}), "unknown key 'limits.max_round'. Did you mean"),
        ('```json\n{"task_id": "T-1", "gaol": "x"}\n```', "'gaol'. Did you mean 'goal'?"),
        ('```json\n{"in_scope": ["src/"]}\n```', "'goal' is missing"),
        ('```json loop\n{"gaol": "x"}\n```', "unknown key 'gaol'"),
        (block(goal=" "), "'goal': must not be blank"),
        ('```json\n{\n  "goal": "x",\n}\n```', "invalid JSON"),
        ("```yaml\ngoal: a: b\n```", "invalid YAML"),
        ("```yaml\ngoal: &a x\ntitle: *a\n```", "aliases (*name) are not taken"),
        ("```yaml\ngoal: x\n1: 2\n```", "issue #12, line 1"),
    ],
)
def test_a_block_that_is_meant_as_a_card_and_is_none_says_why(body: str, sentence: str) -> None:
    said = refusal(body)
    assert "issue #12, line 1: " in said
    assert sentence in said


def test_a_filled_form_is_a_card() -> None:
    card = card_in_issue(FORM, 12, "Dates")
    assert card.goal == "Dates before 1970 are parsed like all others."
    assert card.acceptance_criteria == (
        "parse('1969-12-31') returns that day",
        "the existing tests pass",
    )
    assert card.in_scope == ("src/dates/", "tests/**/*.py")
    assert (card.out_of_scope, card.constraints) == ((), ())
    assert card.verify == ("make test", "make lint")
    assert (card.task_id, card.title) == ("issue-12", "Dates")


def test_windows_line_ends_a_byte_order_mark_and_spaces_change_nothing() -> None:
    plain = card_in_issue(FORM, 12)
    assert card_in_issue("\ufeff" + FORM.replace("\n", "\r\n"), 12) == plain
    assert card_in_issue(FORM.replace("\n\n", "  \n\t\n\n"), 12) == plain
    assert card_in_issue(f"\ufeff{BLOCK}".replace("\n", "\r\n"), 12).goal == "add is right"


def test_the_shipped_form_asks_for_the_headings_that_are_read() -> None:
    form = yaml.safe_load(text("github/issue_form.yml"))
    labels = {field["id"]: field["attributes"]["label"] for field in form["body"]}
    assert labels == HEADINGS
    rendered = {
        field["id"]: field["attributes"]["render"]
        for field in form["body"]
        if "render" in field["attributes"]
    }
    assert rendered == {"verify": "shell"}


@pytest.mark.parametrize(
    "heading",
    ["## Goal", "#### GOAL", "###   goal  ##", "### **Goal**", "### Goal:", "### Go\u200bal"],
)
def test_headings_are_read_at_levels_2_to_4_in_any_case(heading: str) -> None:
    assert card_in_issue(f"{heading}\n\nadd is right\n", 1).goal == "add is right"


@pytest.mark.parametrize("heading", ["# Out of scope", "##### Out of scope", "Out of scope\n---"])
def test_a_heading_of_the_form_at_another_level_is_not_passed_over(heading: str) -> None:
    said = refusal(f"### Goal\n\nadd is right\n\n{heading}\n\nsrc/legacy/\n")
    assert "the heading 'Out of scope' is of another level. Begin it with '### '." in said


@pytest.mark.parametrize(
    ("heading", "meant"),
    [
        ("Out of scpoe", "Out of scope"),
        ("Out-of-scope", "Out of scope"),
        ("Acceptance criterion", "Acceptance criteria"),
        ("Goals", "Goal"),
        ("Scope", "In scope"),
    ],
)
def test_a_misspelt_heading_names_the_nearest(heading: str, meant: str) -> None:
    said = refusal(f"### Goal\n\nadd is right\n\n### {heading}\n\nx\n")
    assert f"issue #12, line 5: the heading '{heading}' is not known." in said
    assert f"Did you mean '{meant}'?" in said


@pytest.mark.parametrize("again", ["### Verify", "## verify", "#### Goal"])
def test_a_heading_twice_is_refused(again: str) -> None:
    said = refusal(f"### Goal\n\nadd\n\n### Verify\n\nmake\n\n{again}\n\nother\n")
    assert "is there twice. Leave one of the two." in said


def test_other_headings_end_a_section_and_are_not_read() -> None:
    body = "### Verify\n\nmake\n\n### Contact\n\nmona\n\n## Goal\n\nadd\n\n# Notes\n\nrm -rf\n"
    card = card_in_issue(body, 1)
    assert (card.goal, card.verify) == ("add", ("make",))


def test_a_goal_keeps_its_sub_headings_lists_quotes_and_code() -> None:
    body = (
        "### Goal\n\nadd is right\n\n#### Why\n\n> it\n> failed\n\n1. one\n   - sub\n2. two\n\n"
        "```py\nadd(1, 2)\n```\n\nlast\n---\n\nend\n\n### Verify\n\nmake\n"
    )
    card = card_in_issue(body, 1)
    assert card.goal == (
        "add is right\n\n#### Why\n\n> it\n> failed\n\n1. one\n   - sub\n2. two\n\n"
        "```py\nadd(1, 2)\n```\n\n## last\n\nend"
    )
    assert card.verify == ("make",)


@pytest.mark.parametrize("empty", ["", "_No response_", "<!-- what? -->", "[//]: # (x)"])
def test_an_empty_goal_is_refused(empty: str) -> None:
    said = refusal(f"### Goal\n\n{empty}\n\n### In scope\n\nsrc/\n")
    assert "nothing below the heading 'Goal'" in said


@pytest.mark.parametrize(
    ("answer", "entries"),
    [
        ("a\nb", ("a", "b")),
        ("* a\n* b", ("a", "b")),
        ("1. a\n2) b", ("a", "b")),
        ("- [ ] a\n- [x] b", ("a", "b")),
        ("- a\n  goes on\n\n  and on\n- b", ("a goes on and on", "b")),
        ("```\na\n\nb\n```", ("a", "b")),
        ("    a\n    b", ("a", "b")),
        ("a\n\n***\n\nb", ("a", "b")),
        ("a <!-- note --> b", ("a  b",)),
        ("```shell\n_No response_\n```", ()),
        ("```shell\n\n```", ()),
        ("<!-- one a line -->", ()),
        ("- ", ()),
    ],
)
def test_lists_are_bullets_or_lines(answer: str, entries: tuple[str, ...]) -> None:
    body = f"### Goal\n\nadd\n\n### Acceptance criteria\n\n{answer}\n\n### Constraints\n\nc\n"
    card = card_in_issue(body, 1)
    assert (card.acceptance_criteria, card.constraints) == (entries, ("c",))


def test_words_before_a_list_are_refused_for_they_would_be_an_entry() -> None:
    for field in ("Acceptance criteria", "Constraints", "In scope", "Verify"):
        for answer in ("All of these:\n\n- a\n- b", "Run this:\n\n```shell\nmake\n```"):
            said = refusal(f"### Goal\n\nadd\n\n### {field}\n\n{answer}\n")
            assert f"line 7: '{field}' has words before its list: " in said
            assert "would be an entry of its own" in said


@pytest.mark.parametrize("rule", ["|---|---|", "--- | ---", "| :-: | --: |"])
def test_a_table_is_refused_for_each_line_would_be_an_entry(rule: str) -> None:
    table = f"| criterion | how |\n{rule}\n| it adds | test |"
    said = refusal(f"### Goal\n\nadd\n\n### Acceptance criteria\n\n{table}\n")
    assert "line 7: 'Acceptance criteria' is a table" in said
    assert "as bullets" in said


def test_a_misspelt_goal_is_named_where_a_card_is_missing() -> None:
    said = refusal("### Goals\n\nadd\n")
    assert said.startswith("issue #12 holds no task card")
    assert "line 1: the heading 'Goals' is not known. Did you mean 'Goal'?" in said
    said = refusal("### Goals\n\nadd\n\n### Acceptance criteria\n\n- it adds\n")
    assert said.startswith("issue #12, line 1: the heading 'Goals' is not known.")


@pytest.mark.parametrize("name", ["In scope", "Out of scope", "Verify", "Constraints"])
@pytest.mark.parametrize(
    "answer",
    [
        "> src/",
        "- src/\n  - a.py",
        "- ```\n  src/\n  ```",
        "#### Here\n\nsrc/",
        "src/\n---",
        "- > a",
    ],
)
def test_what_is_no_plain_list_is_refused_rather_than_half_read(name: str, answer: str) -> None:
    said = refusal(f"### Goal\n\nadd\n\n### {name}\n\n{answer}\n")
    assert f"'{name}' is not a plain list here." in said


@pytest.mark.parametrize("name", ["In scope", "Out of scope", "Verify"])
@pytest.mark.parametrize("entry", ["make <b>x</b>", "a <input> b", "![a](b.png)", "- x<br>"])
def test_a_tag_or_an_image_never_changes_a_command_or_a_path(name: str, entry: str) -> None:
    assert "is not a plain list here" in refusal(f"### Goal\n\nadd\n\n### {name}\n\n{entry}\n")


def test_code_spans_around_a_path_or_a_command_are_taken_off() -> None:
    body = (
        "### Goal\n\nadd\n\n### In scope\n\n- `src/**`\n- ``a`b``\n- `a` and `b`\n\n"
        "### Verify\n\n`make test`\n\n### Constraints\n\n- `only`\n"
    )
    card = card_in_issue(body, 1)
    assert card.in_scope == ("src/**", "``a`b``", "`a` and `b`")
    assert (card.verify, card.constraints) == (("make test",), ("`only`",))


def test_patterns_keep_every_character_that_markdown_would_take_for_emphasis() -> None:
    body = "### Goal\n\nadd\n\n### Out of scope\n\n**/__init__.py\n*.md\nsrc/*_test_*.py\n"
    assert card_in_issue(body, 1).out_of_scope == ("**/__init__.py", "*.md", "src/*_test_*.py")


def test_a_command_over_several_lines_is_one_command() -> None:
    body = "### Goal\n\nadd\n\n### Verify\n\n```shell\nmake \\\n  test\nlint <in >out\n```\n"
    assert card_in_issue(body, 1).verify == ("make   test", "lint <in >out")


def test_a_block_comes_before_headings() -> None:
    assert card_in_issue(f"{FORM}\n\n{BLOCK}", 1).goal == "add is right"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "   \n",
        "Please mend add.",
        "# Goal of this\n\nx",
        "### Steps\n\n1. a",
        "### Verify\n\nx",
    ],
)
def test_plain_prose_is_refused_with_both_forms_to_copy(body: str) -> None:
    said = refusal(body)
    assert said.startswith("issue #12 holds no task card")
    assert said.endswith(MINIMAL_ISSUE)
    assert find_card(body, Origin("issue", 12)) is None


def test_each_form_of_the_hint_is_a_card() -> None:
    first, second = MINIMAL_ISSUE.split("\n\nor\n\n")
    assert card_in_issue(first, 1) == card_in_issue(second, 1)


def test_a_body_over_the_limit_is_refused() -> None:
    fits = f"{BLOCK}\n\n" + "x" * (MAX_CARD_BYTES - len(BLOCK) - 2)
    assert card_in_issue(fits, 1).goal == "add is right"
    assert f"is over the limit of {MAX_CARD_BYTES}" in refusal(f"{fits}x")
    assert "is over the limit" in refusal("\N{EURO SIGN}" * (MAX_CARD_BYTES // 2))
    assert attachment_links(f"{fits}x") == ()


ATTACHED = "https://github.com/user-attachments/files/123/card.json"


def test_attachments_are_links_to_cards_on_the_hosts_of_the_forge() -> None:
    old = "https://github.com/octo/demo/files/45/my-card.yml"
    body = f"See [card.json]({ATTACHED}).\n\n[card.json]({ATTACHED}) and <{old}>\n"
    assert attachment_links(body) == (ATTACHED, old)
    assert attachment_links(body, "Octo/Demo") == (ATTACHED, old)
    assert attachment_links(body, "octo/other") == (ATTACHED,)


@pytest.mark.parametrize(
    "link",
    [
        "http://github.com/user-attachments/files/1/card.json",
        "https://github.com.evil.test/user-attachments/files/1/card.json",
        "https://github.com@evil.test/user-attachments/files/1/card.json",
        "https://evil.test/github.com/user-attachments/files/1/card.json",
        "https://github.com:444/user-attachments/files/1/card.json",
        "https://github.com/user-attachments/files/1/../../../o/r/raw/main/card.json",
        "https://github.com/user-attachments/files/1/%2e%2e/card.json",
        "https://github.com/user-attachments/files/1/card.json?x=1",
        "https://github.com/user-attachments/files/1/card.json#x",
        "https://github.com/user-attachments/files/1/card.txt",
        "https://github.com/user-attachments/files/x/card.json",
        "https://github.com/octo/demo/raw/main/card.json",
        "https://raw.githubusercontent.com/octo/demo/main/card.json",
        "https://[",
        "//github.com/user-attachments/files/1/card.json",
        "javascript:alert(1)//card.json",
    ],
)
def test_other_links_are_no_attachments(link: str) -> None:
    assert attachment_links(f"[card]({link})\n\n<{link}>") == ()


@pytest.mark.parametrize(
    "body",
    [
        f"<!-- [a]({ATTACHED}) -->",
        f"> [a]({ATTACHED})",
        f"<details>\n\n[a]({ATTACHED})\n\n</details>",
        f"`[a]({ATTACHED})`",
        f"![a]({ATTACHED})",
        f"[a]: {ATTACHED}",
    ],
)
def test_an_attachment_that_is_not_shown_as_the_authors_link_does_not_count(body: str) -> None:
    assert attachment_links(body) == ()
