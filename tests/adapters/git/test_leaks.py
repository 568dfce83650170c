"""Commits are searched for secrets as they would be pushed: all files, paths and messages."""

from __future__ import annotations

import base64
import random
import string
from pathlib import Path

import pytest
from tests.adapters.conftest import Local

from loop_kit.adapters.git import command
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.process import process
from loop_kit.core.secrets.forms import Forms

TOKEN = "ghs_" + "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=36))
FORMS = Forms({"github-token": TOKEN})
HELD = "this job's secret github-token"


def found(local: Local, base: str) -> list[str]:
    leaks = GitRepository(local.git).leaks(base, local.head, FORMS)
    assert not any(TOKEN[6:] in str(leak) for leak in leaks)
    return [f"{leak.path} {leak.why}" for leak in leaks]


def test_a_secret_is_found_in_files_binary_ones_too_paths_and_messages(local: Local) -> None:
    base = local.head
    encoded = base64.b64encode(f"x-access-token:{TOKEN}".encode())
    local.commit({"b.py": b"one\ntwo " + encoded + b"\n", "c.bin": b"\0\xff" + TOKEN.encode()})
    message = local.commit({"d.py": "d\n"}, f"Use {TOKEN.encode().hex()}")
    path = local.commit({f"e/{TOKEN[:20]}/{TOKEN[20:]}.txt": "e\n"})

    text = found(local, base)

    assert f"b.py:2 holds {HELD}, encoded as base64" in text
    assert f"c.bin:1 holds {HELD}" in text
    assert (
        f"the commit {message[:10]} holds {HELD}, encoded as hex, in its message or in a name"
        in text
    )
    assert f"a path in the commit {path[:10]} holds {HELD}" in text


def test_a_later_commit_that_removes_a_secret_does_not_hide_it(local: Local) -> None:
    base = local.head
    local.commit({"b.py": f"{TOKEN}\n"})
    local.commit({"b.py": "nothing\n"})

    assert found(local, base)[0] == f"b.py:1 holds {HELD}"


def test_what_was_there_before_or_only_moves_is_no_leak(local: Local) -> None:
    base = local.commit({"b.py": f"key = '{TOKEN}'\n"})
    local.commit({"b.py": f"import os\nkey = '{TOKEN}'\n"})
    (local.root / "b.py").unlink()
    local.commit({"src/b.py": f"import os\nkey = '{TOKEN}'\n"})

    assert found(local, base) == []


def test_a_target_of_a_link_and_the_name_of_an_author_are_searched(local: Local) -> None:
    base = local.head
    (local.root / "link").symlink_to(TOKEN)
    local.git.run("add", "-A")
    env = {"GIT_AUTHOR_NAME": TOKEN, "GIT_AUTHOR_EMAIL": "a@b.c"}
    local.git.run("commit", "-q", "-m", "Link", env=env)

    text = "\n".join(found(local, base))

    assert f"link:1 holds {HELD}" in text
    assert "in its message or in a name" in text


def test_a_large_file_is_searched_to_its_end(local: Local) -> None:
    base = local.head
    local.commit({"big.txt": b"text in lines\n" * 300_000 + TOKEN.encode() + b"\n"})

    assert found(local, base)[0] == f"big.txt:300001 holds {HELD}"


def test_a_search_starts_no_program_of_git(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    base = local.head
    head = local.commit({"b.py": "b\n" * 1000})
    repository = GitRepository(local.git)
    repository.span(base, head)
    repository.read(head, "b.py")
    started: list[object] = []
    monkeypatch.setattr(process, "run", lambda *args, **_: started.append(args))
    monkeypatch.setattr(command.Git, "starter", lambda *args, **_: started.append(args))

    assert repository.leaks(base, head, FORMS) == ()
    assert repository.leaks(head, head, FORMS) == ()
    assert started == []


def test_paths_that_nobody_would_choose_are_searched(local: Local, tmp_path: Path) -> None:
    base = local.head
    local.commit({"a\nb": f"{TOKEN}\n", "ä ö": f"x\n{TOKEN}\n"})

    text = found(local, base)

    assert f"a\nb:1 holds {HELD}" in text
    assert f"ä ö:2 holds {HELD}" in text
