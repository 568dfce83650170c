"""Every main post is as its example: whoever changes one reads it as a person would."""

from __future__ import annotations

import re

import pytest
from tests.core.forge.example_posts import CONTEXT, FOLDER, posts
from tests.core.github_markdown import blocks

from loop_kit.errors import TROUBLESHOOTING

POSTS = posts()
INTERNAL = ("_work", "_review", "needs_human", "(s)", "exhausted", "dispatch", "/home/", "/tmp/")


def test_every_post_has_an_example_and_every_example_a_post() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(POSTS)


@pytest.mark.parametrize("name", POSTS)
def test_the_post_is_as_its_example(name: str) -> None:
    assert f"{POSTS[name].rstrip()}\n" == (FOLDER / f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("name", POSTS)
def test_no_post_has_a_word_of_the_machinery(name: str) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", POSTS[name].partition("\n")[2])
    assert [word for word in INTERNAL if word in text] == []


@pytest.mark.parametrize("name", [name for name in POSTS if not name.startswith("comment")])
def test_what_a_person_does_next_or_what_is_open_comes_before_what_is_folded(name: str) -> None:
    found = blocks(POSTS[name])
    assert "details" not in found[:2]
    assert POSTS[name].count("<details>") == POSTS[name].count("</details>")


def links(post: str) -> list[str]:
    return [part.partition(")")[0] for part in post.split("](")[1:]]


def test_every_link_leads_into_the_repository_or_to_the_page_about_messages() -> None:
    found = [link for post in POSTS.values() for link in links(post)]
    ours = f"{CONTEXT.page}/", f"{TROUBLESHOOTING}#"
    assert found
    assert [link for link in found if not link.startswith(ours)] == []


@pytest.mark.parametrize("name", POSTS)
def test_a_stop_and_nothing_else_leads_to_where_it_is_explained(name: str) -> None:
    explained = [link for link in links(POSTS[name]) if link.startswith(TROUBLESHOOTING)]
    stops = {
        "status-failed": "worker-dispatch-failed",
        "status-needs-you": "contested",
        "acknowledgement-needs-you": "contested",
    }
    assert explained == ([f"{TROUBLESHOOTING}#{stops[name]}"] if name in stops else [])
