"""A secret that a worker commits on a laptop is on no branch, and the remedies work."""

from __future__ import annotations

import base64
import secrets

from tests.cli.harness import Repo, Steps

KEY = f"sk-proj-{secrets.token_hex(30)}"
HIDDEN = base64.b64encode(KEY.encode()).decode()
LEAK: Steps = [
    {"write": {"calc.py": f"VALUE = 2\nKEY = '{HIDDEN}'\n"}},
    {"sh": "git add -A"},
    {"commit": "Work"},
    {"report": {"notes": f"used {HIDDEN}"}},
]


def leaky(repo: Repo) -> Repo:
    repo.extra = {"LOOP_OPENAI_API_KEY": KEY}
    repo.plan({"worker/1/1": LEAK, "worker/1/2": LEAK})
    return repo


def test_it_goes_back_once_then_stops_and_the_printed_command_continues(repo: Repo) -> None:
    stopped = leaky(repo).run()

    assert stopped.code == 7, stopped.text
    assert "calc.py:2 holds this job's secret openai-api-key, encoded as base64" in stopped.text
    assert "Say in the card how to do without it." in stopped.text
    assert "a later commit that removes it is not enough" in repo.calls[1].stdin
    assert HIDDEN[:12] not in stopped.text + repo.calls[1].stdin
    assert HIDDEN not in repo.git("log", "-p", "--branches")
    for name in repo.tree():
        assert HIDDEN[:12].encode() not in (repo.folder / name).read_bytes(), name

    assert repo.run("--resume").code == 0


def test_what_a_person_committed_before_is_no_find(repo: Repo) -> None:
    assert leaky(repo).run().code == 7
    (repo.root / "calc.py").write_text(f"KEY = '{HIDDEN}'\n")
    repo.git("commit", "-q", "-a", "-m", "It is no secret")
    repo.plan({"worker/1/1": LEAK})

    again = repo.run()

    assert again.code == 0, again.text
