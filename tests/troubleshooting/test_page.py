"""The page about messages: every error leads to an entry, and every entry is reached by one."""

import re
from typing import get_args

import pytest
from tests import pages
from tests.troubleshooting.page import NAME, ROOT, anchor_of, catalogue, page, sites

from loop_kit.core.loop.outcomes import Outcome, Reason
from loop_kit.errors import TROUBLESHOOTING, LoopError, explanation

CANCELLED = ("label_removed", "issue_closed", "pull_request_closed", "pull_request_merged")
WITHOUT_ENTRY = {"approved", *CANCELLED, "run_cancelled", "run_unknown"}
"""No failure, or explained by its outcome."""


@pytest.fixture(scope="module")
def entries() -> dict[str, dict[str, str]]:
    return {
        anchor_of(heading): entry
        for section in catalogue().values()
        for heading, entry in section.items()
    }


def test_the_page_is_what_make_reference_writes() -> None:
    assert pages.text(NAME) == page()


def test_every_place_that_raises_an_error_has_an_entry(entries: dict[str, dict[str, str]]) -> None:
    found = sites()
    assert len(found) > 250
    assert [site for site in found if site.anchor not in entries] == []


def test_every_way_in_which_a_loop_can_end_has_an_entry(
    entries: dict[str, dict[str, str]],
) -> None:
    names = ({outcome.value for outcome in Outcome} | set(get_args(Reason))) - WITHOUT_ENTRY
    assert {name.replace("_", "-") for name in names} <= set(entries)


def test_no_entry_is_left_of_a_message_that_is_gone(entries: dict[str, dict[str, str]]) -> None:
    named = {site.anchor for site in sites()}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    named |= set(re.findall(r'anchor = "([a-z-]+)"', source))
    ends = {name.replace("_", "-") for name in {*Outcome, *get_args(Reason)}}
    named |= set(re.findall(r'"([a-z]+-[a-z-]+)" if has_unknown_key', source))
    assert set(entries) - named - ends == set()


def test_every_entry_says_why_and_what_helps(entries: dict[str, dict[str, str]]) -> None:
    for anchor, entry in entries.items():
        assert set(entry) - {"messages"} == {"why", "do"}, anchor
        assert entry["why"].endswith("."), anchor
        assert entry["do"].endswith("."), anchor
        assert len(entry["why"]) > 20, anchor


def test_no_remedy_in_the_code_only_says_to_correct_it() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert re.findall(r'"(?:Correct|Fix) (?:it|the file|[a-z-]+)\."', source) == []


def test_the_address_of_an_entry_is_that_of_the_heading_on_the_page() -> None:
    headings = re.findall(r"^### (.+)$", pages.text(NAME), re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]
    assert len(set(slugs)) == len(slugs)
    error = LoopError("Wrong.", "Do it.", anchor="card-unknown-key")
    assert error.page == explanation("card-unknown-key") == f"{TROUBLESHOOTING}#card-unknown-key"
    assert "card-unknown-key" in slugs
