"""`loop plan`, through the installed command, with a git server and an API on the loopback."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.cli.harness import Repo, Result, assert_refused
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

from loop_kit.core.loop.state import LoopState, Outcome, Phase

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository

REPOSITORY = "octo/demo"
EXAMPLE = Path(__file__).parents[2] / "examples" / "loop-plan.yml"


@dataclass
class Team:
    """A scratch repository whose `origin` is on a server, and the API beside it."""

    repo: Repo
    git: GitServer
    api: GitHubServer

    @property
    def bare(self) -> BareRepository:
        return self.git.repository(REPOSITORY)

    @property
    def token(self) -> dict[str, str]:
        """The environment of somebody who may ask the API."""
        return {
            "GITHUB_TOKEN": "bot",
            "GITHUB_SERVER_URL": self.git.url,
            "GITHUB_API_URL": self.api.url,
        }

    def card(self, task_id: str, *depends_on: str) -> None:
        self.repo.card(f".loop/tasks/{task_id}.json", task_id=task_id, depends_on=list(depends_on))

    def loop_of(self, task_id: str, **fields: Any) -> None:
        """Put a loop on the server, with one commit of work."""
        start = self.bare.head("main") or ""
        work = f"loop/{task_id}/work"
        self.bare.commit_files(work, {f"{task_id}.py": "x\n"}, parent=start)
        made = LoopState(task_id=task_id, seq=1, start_sha=start, base_sha=start, **fields)
        self.bare.commit_files(f"loop/{task_id}/state", {"state.json": made.to_json()})

    def merged(self, task_id: str) -> None:
        """Open the pull request of a loop and merge it, then delete its branches."""
        self.loop_of(task_id, state=Phase.DONE, outcome=Outcome.APPROVED)
        work = f"loop/{task_id}/work"
        number = self.api.open_pull(REPOSITORY, task_id, work, "main", "mona").issue.number
        self.api.merge_pull(REPOSITORY, number, "mona")
        self.bare.delete_branch(work)
        self.bare.delete_branch(f"loop/{task_id}/state")

    def plan(self, *args: str, **env: str) -> dict[str, Any]:
        """The plan of somebody with a token."""
        done = self.repo.loop("plan", "--json", *args, env={**self.token, **env})
        assert done.code == 0, done.text
        return parsed(done)


def parsed(done: Result) -> dict[str, Any]:
    assert done.out.isascii()
    assert done.out.count("\n") == 1
    body: dict[str, Any] = json.loads(done.out)
    return body


def ready(body: dict[str, Any]) -> list[str]:
    return [entry["task-id"] for entry in body["include"]]


def waits(body: dict[str, Any]) -> dict[str, str]:
    return {entry["task-id"]: entry["why"] for entry in body["waiting"]}


@pytest.fixture
def team(tmp_path: Path, repo: Repo) -> Iterator[Team]:
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as api:
        path = git.create_repository(REPOSITORY)
        git.add_token("bot", "github-actions[bot]")
        git.add_token("mona", "mona")
        api.set_permissions("bot", {"contents": "read", "pull_requests": "read"})
        url = f"{git.url}/{REPOSITORY}"
        pair = base64.b64encode(b"x-access-token:mona").decode()
        key = f"http.{git.url}/.extraHeader"
        repo.git("config", "--global", key, f"Authorization: Basic {pair}")
        repo.git("push", "--quiet", str(path), "main")
        repo.git("remote", "add", "origin", url)
        (repo.folder / "task_card.json").unlink()
        yield Team(repo, git, api)


def test_a_new_card_is_ready_and_its_path_is_what_the_action_takes(team: Team) -> None:
    team.card("A-1")
    team.repo.card(task_id="B-1")
    body = team.plan()
    assert body == {
        "include": [
            {"task": ".loop/task_card.json", "task-id": "B-1"},
            {"task": ".loop/tasks/A-1.json", "task-id": "A-1"},
        ],
        "waiting": [],
        "refused": [],
    }


def test_a_loop_that_exists_is_not_started_again(team: Team) -> None:
    for task_id in ("A", "B", "C", "D"):
        team.card(task_id)
    team.loop_of("A", state=Phase.AWAITING_WORK)
    team.loop_of("B", state=Phase.DONE, outcome=Outcome.APPROVED)
    team.loop_of("C", state=Phase.DONE, outcome=Outcome.NEEDS_HUMAN)
    team.bare.commit_files("loop/D/state", {"state.json": "{"})
    body = team.plan()
    assert ready(body) == []
    unreadable = waits(body).pop("D")
    assert waits(body) == {"A": "running", "B": "done", "C": "needs a person", "D": unreadable}
    assert unreadable.startswith("its state cannot be read: not readable as JSON")
    assert team.api.count() == 0


def test_a_card_is_ready_when_the_pull_request_it_depends_on_was_merged(team: Team) -> None:
    team.card("A")
    team.card("B", "A")
    assert waits(team.plan()) == {"B": "waits for A"}
    team.merged("A")
    body = team.plan()
    assert ready(body) == ["B"]
    assert waits(body) == {"A": "done"}


def test_a_pull_request_that_was_closed_without_a_merge_satisfies_nothing(team: Team) -> None:
    team.card("B", "A")
    team.loop_of("A", state=Phase.DONE, outcome=Outcome.APPROVED)
    pull = team.api.open_pull(REPOSITORY, "A", "loop/A/work", "main", "mona")
    assert waits(team.plan()) == {"B": "waits for A"}
    pull.issue.set_state("closed", "mona")
    assert waits(team.plan()) == {"B": "waits for A"}


def test_a_dependency_may_be_a_pull_request_that_a_loop_works_on(team: Team) -> None:
    team.bare.commit_files("theirs", {"a.py": "x\n"}, parent=team.bare.head("main"))
    number = team.api.open_pull(REPOSITORY, "theirs", "theirs", "main", "mona").issue.number
    team.card("B", f"pr-{number}", "pr-9999")
    missing = "depends on pr-9999, of which there is no card and no merged pull request"
    first = waits(team.plan())["B"]
    assert first.startswith(f"depends on pr-{number}, ")
    team.api.merge_pull(REPOSITORY, number, "mona")
    assert waits(team.plan()) == {"B": missing}


def test_without_a_token_a_card_that_depends_on_others_waits_even_when_they_are_merged(
    team: Team,
) -> None:
    for card in (("A",), ("B", "A"), ("C",)):
        team.card(*card)
    team.loop_of("A", state=Phase.DONE, outcome=Outcome.APPROVED)
    team.bare.merge("main", team.bare.head("loop/A/work") or "", "Merge")
    team.repo.git("pull", "--quiet", "origin", "main")
    done = team.repo.loop("plan", "--json")
    body = parsed(done)
    assert ready(body) == ["C"]
    assert waits(body) == {
        "A": "done",
        "B": "depends on A, of which it is unknown whether it is merged: give GITHUB_TOKEN",
    }
    assert "Set GITHUB_TOKEN" in done.err
    assert team.api.count() == 0


def test_a_wrong_card_is_named_and_keeps_no_other_from_starting(team: Team) -> None:
    team.card("A")
    (team.repo.folder / "tasks" / "b.yml").write_text("task_id: B\ngaol: x\n")
    (team.repo.folder / "tasks" / "c.yaml").write_text("goal: [")
    body = team.plan()
    assert ready(body) == ["A"]
    assert [entry["task"] for entry in body["refused"]] == [
        ".loop/tasks/b.yml",
        ".loop/tasks/c.yaml",
    ]
    assert "unknown key 'gaol'" in body["refused"][0]["why"]
    strict = team.repo.loop("plan", "--json", "--strict", env=team.token)
    assert (strict.code, parsed(strict)) == (3, body)


def test_two_cards_of_one_id_are_refused_both(team: Team) -> None:
    team.card("A")
    (team.repo.folder / "tasks" / "b.yml").write_text("task_id: A\ngoal: x\n")
    body = team.plan()
    assert (ready(body), len(body["refused"])) == ([], 2)


def test_what_is_no_card_in_the_folder_is_left_alone(team: Team) -> None:
    team.card("A")
    tasks = team.repo.folder / "tasks"
    for name in ("README.md", ".hidden.yml", "a.JSON", "a.json~"):
        (tasks / name).write_text("not a card")
    body = team.plan()
    assert (ready(body), body["refused"]) == (["A"], [])


def test_links_folders_and_hostile_names_are_refused_and_harm_nobody(team: Team) -> None:
    team.card("A")
    tasks = team.repo.folder / "tasks"
    good = '{"task_id": "B", "goal": "x"}'
    (team.repo.root / "outside.json").write_text(good)
    (tasks / "link.json").symlink_to(team.repo.root / "outside.json")
    (tasks / "loop.yml").symlink_to("loop.yml")
    (tasks / "folder.json").mkdir()
    (tasks / "x\x1b[2J\n::error::\u202e.json").write_text(good)
    (tasks / "large.json").write_text(" " * 100_000)
    (tasks / b"latin\xe9.json".decode("utf-8", "surrogateescape")).write_text(good)
    body = team.plan()
    assert ready(body) == ["A"]
    assert len(body["refused"]) == 6
    shown = team.repo.loop("plan", env=team.token)
    assert (shown.code, shown.err) == (0, "")
    assert "\x1b" not in shown.out
    assert len(shown.out.splitlines()) == 7


def test_a_card_with_a_name_that_a_shell_would_obey_is_only_text(team: Team) -> None:
    name = "a $(touch pwned) ';ä.json"
    team.repo.card(f".loop/tasks/{name}", task_id="A")
    assert team.plan()["include"] == [{"task": f".loop/tasks/{name}", "task-id": "A"}]
    assert not (team.repo.root / "pwned").exists()


def test_people_get_a_table(team: Team) -> None:
    team.card("A")
    team.card("LONGER", "A")
    done = team.repo.loop("plan", env=team.token)
    assert done == Result(
        0,
        "ready    A       .loop/tasks/A.json\n"
        "waiting  LONGER  .loop/tasks/LONGER.json: waits for A\n",
        "",
    )


def test_without_a_card_nobody_is_asked(team: Team) -> None:
    before = len(team.git.requests)
    done = team.repo.loop("plan", env=team.token)
    assert done == Result(0, "There is no task card in .loop/tasks.\n", "")
    assert team.plan() == {"include": [], "waiting": [], "refused": []}
    assert len(team.git.requests) == before


def test_it_works_from_a_subfolder_and_leaves_the_repository_as_it_was(team: Team) -> None:
    team.card("A")
    team.card("B")
    team.loop_of("B", state=Phase.AWAITING_WORK)
    below = team.repo.root / "src" / "deep"
    below.mkdir(parents=True)
    done = team.repo.loop("plan", "--json", cwd=below, env=team.token)
    assert ready(parsed(done)) == ["A"]
    assert team.repo.git("rev-parse", "--is-shallow-repository") == "false"
    assert "loop-kit" not in team.repo.git("for-each-ref")


def test_the_prefix_is_the_one_that_is_configured(team: Team) -> None:
    team.card("A")
    team.loop_of("A", state=Phase.AWAITING_WORK)
    (team.repo.folder / "config.yaml").write_text("branch-prefix: bots\n")
    assert ready(team.plan()) == ["A"]
    assert ready(team.plan(LOOP_BRANCH_PREFIX="loop")) == []


def test_without_a_remote_the_remedy_is_to_add_one(team: Team) -> None:
    team.card("A")
    assert_refused(team.repo.loop("plan", "--remote", "nope"), 3, "git remote add nope <url>")
    assert_refused(team.repo.loop("plan", "--remote=--all"), 3, "no remote named '--all'")


def test_where_no_remote_is_at_all_the_local_cards_are_planned(team: Team) -> None:
    team.card("A")
    team.card("B", "A")
    (team.repo.folder / "tasks" / "broken.json").write_text("{")
    team.repo.git("remote", "remove", "origin")

    done = team.repo.loop("plan", "--json")
    body = parsed(done)
    assert (done.code, ready(body), waits(body)) == (0, ["A"], {"B": "waits for A"})
    assert "broken.json" in body["refused"][0]["why"]
    assert "no server was asked" in done.err

    assert_refused(team.repo.loop("plan", "--remote", "origin"), 3, "no remote named 'origin'")
    in_job = {"GITHUB_ACTIONS": "true"}
    assert_refused(team.repo.loop("plan", env=in_job), 3, "There is no remote named 'origin'")


def test_outside_a_repository_it_says_so(team: Team, tmp_path: Path) -> None:
    assert_refused(team.repo.loop("plan", cwd=tmp_path), 1, "is not in a git work tree")


def test_a_git_server_that_does_not_answer_is_exit_code_6(team: Team) -> None:
    team.card("A")
    team.repo.git("remote", "set-url", "origin", "http://127.0.0.1:9/octo/demo")
    done = team.repo.loop("plan", "--json")
    assert_refused(done, 6, "The git server does not answer", "Check the network")
    assert done.out == ""


def test_a_git_server_that_refuses_is_exit_code_6(team: Team) -> None:
    team.card("A")
    team.git.add_token("mona", "mona", "none")
    assert_refused(team.repo.loop("plan"), 6, "The git server refused")


def test_an_api_that_refuses_is_exit_code_6(team: Team) -> None:
    team.card("A")
    team.api.set_permissions("bot", {"contents": "read"})
    done = team.repo.loop("plan", env=team.token)
    assert (done.code, done.out) == (6, "")
    assert (
        "Error: GitHub answered 403: Resource not accessible by integration\n"
        "  Add to the job: `permissions: pull-requests: read`.\n"
    ) in done.err


def job(team: Team, tmp_path: Path) -> dict[str, str]:
    """The environment of a job that has this repository checked out."""
    return {
        **team.token,
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }


def test_in_a_job_the_matrix_and_whether_it_is_empty_are_outputs(
    team: Team, tmp_path: Path
) -> None:
    team.card("A")
    team.card("B", "A")
    output = tmp_path / "output"
    output.write_text("before=1\n")
    (team.repo.folder / "tasks" / "c.yml").write_text("{")
    done = team.repo.loop("plan", "--matrix", env=job(team, tmp_path))
    assert done.code == 0
    assert parsed(done) == {"include": [{"task": ".loop/tasks/A.json", "task-id": "A"}]}
    assert "Refused: .loop/tasks/c.yml" in done.err
    assert output.read_text() == f"before=1\nmatrix={done.out}any=true\n"


def test_an_empty_matrix_is_reported_as_empty(team: Team, tmp_path: Path) -> None:
    done = team.repo.loop("plan", "--matrix", env=job(team, tmp_path))
    assert parsed(done) == {"include": []}
    assert (tmp_path / "output").read_text() == 'matrix={"include":[]}\nany=false\n'


def test_two_hundred_cards_cost_two_questions_to_the_git_server(team: Team) -> None:
    names = [f"T-{number:03}" for number in range(200)]
    for name in names:
        team.card(name)
    for name in names[:20]:
        team.loop_of(name, state=Phase.AWAITING_WORK)
    before = team.git.count("upload-pack")
    body = parsed(team.repo.loop("plan", "--json"))
    assert ready(body) == names[20:]
    assert len(body["waiting"]) == 20
    once = team.git.count("upload-pack") - before
    (team.repo.folder / "tasks" / "T-199.json").unlink()
    team.repo.loop("plan", "--json")
    assert team.git.count("upload-pack") - before == 2 * once
    assert once <= 6


def test_more_cards_than_are_read_are_reported(team: Team) -> None:
    for number in range(1003):
        path = team.repo.folder / "tasks" / f"{number:04}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"task_id": f"T-{number:04}", "goal": "x"}))
    done = team.repo.loop("plan", "--json")
    body = parsed(done)
    assert len(body["include"]) == 256
    assert len(body["waiting"]) == 744
    assert [entry["task"] for entry in body["refused"]] == [".loop/tasks"]
    assert body["refused"][0]["why"].startswith("3 more cards")


def test_the_example_runs_this_command_and_reads_its_outputs(team: Team, tmp_path: Path) -> None:
    jobs = yaml.safe_load(EXAMPLE.read_text("utf-8"))["jobs"]
    [step] = [step for step in jobs["plan"]["steps"] if step.get("id") == "plan"]
    command = step["run"].partition(" loop ")[2].split()
    assert command == ["plan", "--matrix"]
    team.card("A")
    assert team.repo.loop(*command, env=job(team, tmp_path)).code == 0
    names = [line.partition("=")[0] for line in (tmp_path / "output").read_text().splitlines()]
    assert jobs["plan"]["outputs"] == {n: f"${{{{ steps.plan.outputs.{n} }}}}" for n in names}
    round_ = jobs["round"]
    assert round_["if"] == "needs.plan.outputs.any == 'true'"
    assert round_["strategy"]["matrix"] == "${{ fromJson(needs.plan.outputs.matrix) }}"
    assert round_["steps"][-1]["with"]["task"] == "${{ matrix.task }}"
