"""An agent that damages the user's own repository stops its loop, and the advice then works."""

from __future__ import annotations

from tests.cli.harness import Repo

DONE = [{"write": {"calc.py": "VALUE = 2\n"}}, {"commit": "Value"}, {"report": {}}]


def test_a_damaged_repository_is_put_back_and_the_loop_can_be_continued(repo: Repo) -> None:
    inside = f"{repo.root}/.git"
    damage = f"rm {inside}/HEAD; rm -f {inside}/config; mkfifo {inside}/config {inside}/packed-refs"
    repo.plan({"worker": [*DONE, {"sh": damage}]})

    done = repo.run()

    assert done.code == 7, done.text
    assert repo.state["reasons"] == ["tampered"]
    assert ".git/HEAD" in done.text
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""

    repo.plan({"worker": DONE})
    again = repo.run("--resume")
    assert again.code == 0, again.text
    assert repo.state["outcome"] == "approved"


def test_objects_that_are_gone_stop_the_loop_until_they_are_restored(repo: Repo) -> None:
    objects = repo.root / ".git" / "objects"
    repo.plan({"worker": [*DONE, {"sh": f"mv {objects} {objects}.away"}]})

    done = repo.run()

    assert done.code == 7, done.text
    assert "Restore it" in done.text
    objects.with_name("objects.away").rename(objects)
    repo.plan({"worker": DONE})
    assert repo.run("--resume").code == 0
