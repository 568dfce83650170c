"""Jobs in repositories that are partial, strange or old take a loop to its end all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.conftest import APPROVED, CARD, REPOSITORY, SENT_BACK, Hub, MakeHub
from tests.e2e.shapes import ShapedHub, assert_approved_in_two_rounds
from tests.support.git_log import GitLog

if TYPE_CHECKING:
    from tests.support.git_client import WorkingCopy
    from tests.support.git_repository import BareRepository

SECOND = {**CARD, "task_id": "T-002", "verify": []}
PARTIAL = {
    "blobless": ("--filter=blob:none",),
    "treeless": ("--filter=tree:0",),
    "shallow and blobless": ("--depth=1", "--filter=blob:none"),
    "shallow and treeless": ("--depth=1", "--filter=tree:0"),
}


@pytest.mark.parametrize("shape", PARTIAL)
def test_a_partial_checkout_is_completed_with_the_jobs_token_and_the_loop_is_approved(
    hub: Hub, shape: str
) -> None:
    # A file that only older commits have is missing from every partial checkout.
    hub.bare.commit_files("main", {"old.txt": "old\n"}, "Add")
    hub.bare.commit_files("main", {"old.txt": None}, "Remove")

    assert_approved_in_two_rounds(ShapedHub.of(hub, *PARTIAL[shape]))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n" % (b"4" * 64)
LFS = '[filter "lfs"]\n' + "".join(
    f"\t{key} = {value}\n"
    for key, value in {
        "clean": "git-lfs clean -- %f",
        "smudge": "git-lfs smudge -- %f",
        "process": "git-lfs filter-process",
        "required": "true",
    }.items()
)
ODD_NAMES = {
    b'"with \\"quotes\\"\\nand lines.md"': b"odd\n",
    b'"caf\\351.md"': b"no UTF-8\n",
    b'" leading and trailing "': b"spaces\n",
    b'"-u"': b"an option?\n",
    b'":(top)magic"': b"a pathspec?\n",
}
FILES = {
    b".gitattributes": b"*.bin filter=lfs diff=lfs -text\n*.old text\nnotes/ export-ignore\n",
    b"sub/.gitattributes": b"*.dat binary\n*.bat text eol=crlf\n",
    b"sub/data.dat": b"\x00\x01\x02",
    b"sub/run.bat": b"echo hi\n",
    b"picture.bin": POINTER,
    b"dos.old": b"never\r\nnormalised\r\n",
    b"notes/a.md": b"notes\n",
    b".gitmodules": (
        b'[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://127.0.0.1:1/octo/private.git\n'
    ),
    **ODD_NAMES,
}
STRANGE: dict[str, Any] = {
    "scenes": [
        {
            "role": "worker",
            "round": 1,
            "steps": [
                {"edit": {"path": "calc.py", "find": "a - b", "replace": "a + b"}},
                {"edit": {"path": 'with "quotes"\nand lines.md', "find": "odd", "replace": "even"}},
                {"report": {"notes": "Left uncommitted", "files_changed": ["calc.py"]}},
            ],
        },
        {"role": "reviewer", "round": 1, "steps": [{"report": SENT_BACK}]},
        {
            "role": "worker",
            "round": 2,
            "steps": [
                {"edit": {"path": "calc.py", "find": "a * 3", "replace": "a * 2"}},
                {"run": ["git", "add", "calc.py", "picture.bin"]},
                {"run": ["git", "commit", "--quiet", "-m", "Double"]},
                {"report": {"notes": "Committed", "files_changed": ["calc.py"]}},
            ],
        },
        {"role": "reviewer", "round": 2, "steps": [{"report": APPROVED}]},
    ]
}


def add_strange_files(bare: BareRepository) -> None:
    """Commit what git allows and few repositories have."""
    lines = [
        b"commit refs/heads/main\ncommitter S <s@example.com> 1700000000 +0000",
        b"data 7\nStrange",
        f"from {bare.head('main')}".encode(),
    ]
    for name, content in FILES.items():
        lines.append(b"M 100644 inline %s\ndata %d\n%s" % (name, len(content), content))
    lines += [
        b"M 100755 inline tool.sh\ndata 10\n#!/bin/sh\n",
        b"M 120000 inline link\ndata 7\ncalc.py",
        b"M 120000 inline dangling\ndata 7\nnowhere",
        b"M 160000 %s vendor/lib\n" % (b"5" * 40),
    ]
    bare.git("fast-import", "--quiet", stdin=b"\n".join(lines))


def test_submodules_pointers_line_ends_links_and_odd_names_come_out_as_they_went_in(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = ShapedHub.of(make_hub(STRANGE))
    add_strange_files(hub.bare)
    log = GitLog(tmp_path / "bin")
    hub.variables = log.environment()

    def with_lfs_everywhere(checkout: WorkingCopy) -> None:
        (checkout.path.parent / ".gitconfig").write_text(LFS)
        with (checkout.path / ".git" / "config").open("a") as config:
            config.write(LFS)

    hub.prepare = with_lfs_everywhere

    assert_approved_in_two_rounds(hub)

    changed = hub.bare.git("diff", "--name-only", "-z", "main", "loop/T-001/work")
    assert changed.split("\0")[:-1] == ["calc.py", 'with "quotes"\nand lines.md']
    assert hub.bare.file("loop/T-001/work", "picture.bin") == POINTER
    assert log.lfs_calls == []
    assert {request.repository for request in hub.git.requests} == {REPOSITORY}


def add_many_files(bare: BareRepository, count: int) -> None:
    lines = [
        b"commit refs/heads/main\ncommitter S <s@example.com> 1700000000 +0000",
        b"data 4\nMany",
        f"from {bare.head('main')}".encode(),
    ]
    for number in range(count):
        path = f"d{number % 50}/e{number // 50 % 20}/f{number}.txt"
        lines.append(f"M 100644 inline {path}\ndata 8\n{number:08}".encode())
    bare.git("fast-import", "--quiet", stdin=b"\n".join([*lines, b""]))


@pytest.mark.timeout(300)
def test_fifty_thousand_files_cost_no_git_process_and_no_request_more_than_ten(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    one_round = {"scenes": [{**scene, "round": None} for scene in STRANGE["scenes"][:2]]}
    one_round["scenes"][0]["steps"].pop(1)
    card = {**CARD, "verify": []}
    hub = ShapedHub.of(make_hub(one_round, card, {".loop/tasks/b.json": json.dumps(SECOND)}))
    log = GitLog(tmp_path / "bin")
    hub.variables = log.environment()
    few = hub.job()
    assert few.outputs["continue"] == "true", few.log
    before, requests = len(log.calls), len(hub.git.requests)
    add_many_files(hub.bare, 50_000)

    many = hub.job(task=".loop/tasks/b.json")

    assert many.outputs["continue"] == "true", many.log
    assert len(log.calls) - before == before
    assert len(hub.git.requests) - requests == requests
