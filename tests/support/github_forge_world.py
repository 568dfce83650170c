"""One forge and what tests arrange on it, as the fake and as GitHub's API: for their contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fakes import FakeClock, MemoryForge, MemoryPull
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer
from tests.support.github_state import HostedRepository, ReviewComment

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.core.checks.reading import Check, CheckState
from loop_kit.core.loop.run_ends import RunStatus
from loop_kit.ports import Forge

FORGES = ("memory", "github")
HEAD = "loop/T-001/work"
STATUS = "<!-- loop-kit:T-001:status-comment -->"
WORKFLOW = "on: {workflow_dispatch: {inputs: {round: {}}}}\njobs: {}\n"


@dataclass(frozen=True)
class World:
    """A forge and what a test arranges on it."""

    forge: Forge
    sha: str
    set_writer: Callable[[str], object]
    require_checks: Callable[[bool], object]
    set_run: Callable[[str, RunStatus, int], object]
    add_artifact: Callable[[str, str], object]
    forbid_pulls: Callable[[], object]
    forbid_drafts: Callable[[], object]
    comment: Callable[[int, str, str], int]
    open_issue: Callable[..., int]
    reopen: Callable[[int], object]
    merge: Callable[[int], object]
    closed_at: Callable[[int, str], object]
    fork: Callable[[str], object]
    reactions: Callable[[int], list[str]]
    base_sha: str
    is_draft: Callable[[int], bool]
    close: Callable[[int], object]
    dispatched: Callable[[], list[dict[str, str]]]
    forbid_ready: Callable[[], object]
    comments: Callable[[int], list[str]]
    inline: Callable[[int], list[str]]
    resolved: Callable[[int], list[bool]]
    forbid_resolving: Callable[[], object]
    set_reviewer: Callable[[str], object]
    verdicts: Callable[[int], list[str]]
    review: Callable[..., tuple[int, ...]]
    answer: Callable[[int, str, int, str], int]
    resolve: Callable[[int, int], object]
    inline_ids: Callable[[int], list[int]]
    reviews: Callable[[int], list[str]]
    labels: Callable[[int], set[str]]
    label: Callable[[int, str], object]
    statuses: Callable[[], list[tuple[str, str]]]
    add_check: Callable[..., object]
    require_check: Callable[[str], object]
    reruns: Callable[[], list[int]]


def memory_world() -> World:
    forge = MemoryForge()
    forge.merge_bases["main", HEAD] = "1" * 40
    return World(
        forge=forge,
        sha="0" * 40,
        set_writer=forge.writers.add,
        require_checks=lambda is_strict: forge.current.update({"main"} if is_strict else ()),
        set_run=lambda run, status, attempt: forge.runs.update({run: (status, attempt)}),
        add_artifact=lambda run, name: forge.artifacts.add((run, name)),
        forbid_pulls=lambda: setattr(forge, "pulls_allowed", False),
        forbid_drafts=lambda: setattr(forge, "drafts_supported", False),
        comment=forge.comment,
        open_issue=lambda *said: forge.open_issue(*said).number,
        reopen=lambda n: setattr(forge._thing(n), "is_open", True),
        merge=lambda n: forge.pulls[n - 1].close(merged=True),
        closed_at=lambda n, at: forge.pulls[n - 1].close(at=at),
        fork=lambda owner: forge.pulls.append(
            MemoryPull(2, HEAD, "main", "Fork", "", draft=False, head_repository=f"{owner}/demo")
        ),
        reactions=lambda id_: [content for comment, content in forge.reactions if comment == id_],
        base_sha="1" * 40,
        is_draft=lambda n: forge.pulls[n - 1].draft,
        close=lambda n: setattr(forge._thing(n), "is_open", False),
        dispatched=lambda: [inputs for _, _, inputs in forge.dispatches],
        forbid_ready=lambda: setattr(forge, "ready_allowed", False),
        comments=lambda n: [post.body for post in forge._thing(n).comments],
        inline=lambda n: [post.body for post in forge.pulls[n - 1].inline],
        resolved=lambda n: [post.resolved for post in forge.pulls[n - 1].inline],
        forbid_resolving=lambda: setattr(forge, "resolving_allowed", False),
        set_reviewer=lambda login: setattr(forge, "reviewer", login),
        verdicts=lambda n: forge.pulls[n - 1].verdicts,
        review=forge.review,
        answer=forge.answer,
        resolve=lambda n, root: forge.pulls[n - 1].resolved.add(root),
        inline_ids=lambda n: [int(post.id) for post in forge.pulls[n - 1].inline],
        reviews=lambda n: [post.body for post in forge.pulls[n - 1].posts],
        labels=lambda n: forge._thing(n).labels,
        label=lambda n, name: forge._thing(n).labels.add(name),
        statuses=lambda: [(state, said) for _, state, said in forge.statuses],
        add_check=lambda name, conclusion, log="": _add_memory_check(forge, name, conclusion, log),
        require_check=lambda name: forge.required.update(main=(name,)),
        reruns=lambda: forge.reruns,
    )


def _add_memory_check(forge: MemoryForge, name: str, conclusion: str | None, log: str) -> None:
    states: dict[str | None, CheckState] = {"success": "passed", "failure": "failed"}
    number = len(forge.every_commit) + 1
    state = states.get(conclusion, "cancelled" if conclusion else "pending")
    step = "test" if state == "failed" else ""
    forge.logs[number] = log
    check = Check(name, state, "ci.yml", 100 + number, number, step=step)
    forge.every_commit = (*forge.every_commit, check)


def github_world(hub: GitHubServer, git: GitServer) -> World:
    git.create_repository("octo/demo")
    git.add_token("bot", "github-actions[bot]")
    scopes = dict.fromkeys(
        ("contents", "pull_requests", "issues", "actions", "statuses", "checks"), "write"
    )
    hub.set_permissions("bot", scopes)
    hub.add_user("rita")
    demo = hub.repository("octo/demo")
    start = demo.git.commit_files("main", {".github/workflows/loop.yml": WORKFLOW}, "Start")
    sha = demo.git.commit_files(HEAD, {"a.py": "b\n"}, "Work", parent=start)
    access = Access(hub.url, "https://github.test", "octo/demo", "bot", pace=0)
    reviewer = replace(access, token="critic")
    return World(
        forge=GitHubForge(access, FakeClock().sleep, reviewer),
        sha=sha,
        set_writer=lambda login: hub.set_role("octo/demo", login, "write"),
        require_checks=lambda is_strict: demo.rules.append(
            {
                "type": "required_status_checks",
                "parameters": {
                    "required_status_checks": [{"context": "test"}],
                    "strict_required_status_checks_policy": is_strict,
                },
            }
        ),
        set_run=lambda run, status, attempt: hub.set_run(
            "octo/demo",
            int(run),
            "completed" if status.ended else "in_progress",
            status.conclusion or None,
            attempt,
            ended_at=status.ended_at,
        ),
        add_artifact=lambda run, name: hub.add_artifact("octo/demo", int(run), name),
        forbid_pulls=lambda: setattr(demo, "actions_may_open_pulls", False),
        forbid_drafts=lambda: setattr(demo, "drafts_supported", False),
        comment=lambda n, who, text: hub.comment("octo/demo", n, who, text).id,
        open_issue=lambda title, body="", *labels: (
            hub.open_issue("octo/demo", title, body, "mona", labels).number
        ),
        reopen=lambda n: hub.reopen("octo/demo", n),
        merge=lambda n: hub.merge_pull("octo/demo", n, "mona"),
        closed_at=lambda n, at: hub.close("octo/demo", n, at=dt.datetime.fromisoformat(at)),
        fork=lambda owner: hub.open_fork_pull(
            "octo/demo", "Fork", HEAD, "main", owner, f"{owner}/demo"
        ),
        reactions=lambda id_: [
            reaction.content
            for issue in demo.issues.values()
            for comment in issue.comments
            if comment.id == id_
            for reaction in comment.reactions
        ],
        base_sha=start,
        is_draft=lambda n: demo.pulls[n].draft,
        close=lambda n: hub.close("octo/demo", n),
        dispatched=lambda: [dispatch.inputs for dispatch in hub.dispatches],
        forbid_ready=lambda: hub.set_permissions("bot", {**scopes, "contents": "read"}),
        comments=lambda n: [comment.body for comment in demo.issues[n].comments],
        inline=lambda n: [c.body for review in demo.pulls[n].reviews for c in review.comments],
        resolved=lambda n: [
            c.resolved_by is not None for review in demo.pulls[n].reviews for c in review.comments
        ],
        forbid_resolving=lambda: hub.set_permissions("bot", {**scopes, "contents": "read"}),
        set_reviewer=lambda login: (
            git.add_token("critic", login),
            hub.set_permissions("critic", scopes),
        ),
        verdicts=lambda n: [review.state for review in demo.pulls[n].reviews],
        review=lambda n, login, body="", state="commented", comments=(): (
            (made := demo.review(demo.pulls[n], login, body, state.upper(), tuple(comments))).id,
            *(comment.id for comment in made.comments),
        ),
        answer=lambda n, login, root, body: (
            demo.answer(demo.pulls[n], hosted_comment(demo, root), login, body).id
        ),
        resolve=lambda n, root: setattr(hosted_comment(demo, root), "resolved_by", "mona"),
        inline_ids=lambda n: [c.id for review in demo.pulls[n].reviews for c in review.comments],
        reviews=lambda n: [review.body for review in demo.pulls[n].reviews],
        labels=lambda n: set(demo.issues[n].labels),
        label=lambda n, name: hub.add_label("octo/demo", n, name),
        statuses=lambda: [(s.state, s.description or "") for s in demo.statuses],
        add_check=lambda name, conclusion, log="": hub.add_check(
            "octo/demo", sha, name, conclusion, steps=(("test", conclusion),), log=log
        ),
        require_check=demo.require_checks,
        reruns=lambda: demo.reruns,
    )


def hosted_comment(demo: HostedRepository, id_: int) -> ReviewComment:
    """The review comment of this number."""
    reviews = (review for pull in demo.pulls.values() for review in pull.reviews)
    return next(c for review in reviews for c in review.comments if c.id == id_)


@contextmanager
def forge_world(kind: str, folder: Path) -> Iterator[World]:
    """Open one of `FORGES`; a server's repositories are in `folder`."""
    if kind == "memory":
        yield memory_world()
        return
    with GitServer(folder / "hosted") as git, GitHubServer(git) as hub:
        made = github_world(hub, git)
        yield made
        assert isinstance(made.forge, GitHubForge)
        made.forge.close()


def opened(world: World, *, draft: bool = True, body: str = "Body") -> int:
    """Open a pull request from HEAD and return its number."""
    return world.forge.open_pull_request(HEAD, "main", "Title", body, draft=draft).number
