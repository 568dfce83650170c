"""A bundle on disk: what git would take from a stranger, and what we take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.conftest import Hosted, environment

from loop_kit.adapters.git.bundle import discard_bundle, fetch_commits, read_record, write_bundle
from loop_kit.adapters.git.command import Git, Identity
from loop_kit.core.ci.bundle import MAX_COMMITS_BYTES, BundleInvalid

RECORD = b'{"version": 1}'
REF = "refs/loop-kit/work"


@pytest.fixture
def reader(hosted: Hosted) -> Git:
    """The publishing job's own repository."""
    return hosted.checkout()


@pytest.fixture
def writer(hosted: Hosted) -> Git:
    """The agents' job's own repository."""
    return hosted.checkout()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "loop-kit-bundle"


def head_of(git: Git) -> str:
    return git.text("rev-parse", "HEAD")


def put(git: Git, entries: str, *parents: str) -> str:
    """A commit of a tree with these lines of `ls-tree`; git is not asked whether that is wise."""
    raw = b""
    for line in sorted(entries.splitlines(), key=as_git_sorts):
        about, _, name = line.partition("\t")
        mode, _, oid = about.split(" ")
        raw += f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(oid)
    tree = hashed(git, raw, "tree")
    who = Identity().environment()
    options = [part for parent in parents for part in ("-p", parent)]
    return git.text("commit-tree", tree, *options, "-m", "Work", env=who)


def as_git_sorts(line: str) -> str:
    name = line.partition("\t")[2]
    return f"{name}/" if line.startswith("040000") else name


def hashed(git: Git, content: bytes, kind: str = "blob") -> str:
    options = ("hash-object", "-w", "--literally", "-t", kind, "--stdin")
    return git.run(*options, stdin=content).out.decode().strip()


def work(git: Git, name: str = "b.py", content: bytes = b"new\n", mode: str = "100644") -> str:
    """A commit on top of the checkout that adds one file."""
    entry = f"{mode} blob {hashed(git, content)}\t{name}"
    kept = git.text("ls-tree", "HEAD")
    return put(git, f"{kept}\n{entry}", head_of(git))


def refused(reader: Git, folder: Path, head: str) -> str:
    """Why these commits are not taken."""
    parent = head_of(reader)
    with pytest.raises(BundleInvalid) as caught:
        fetch_commits(reader, folder, folder.parent / "scratch", parent, head)
    assert "\n" not in str(caught.value)
    assert list((folder.parent / "scratch").iterdir()) == []
    return str(caught.value)


def test_commits_come_over_with_their_record(
    writer: Git, reader: Git, folder: Path, tmp_path: Path
) -> None:
    parent, head = head_of(writer), work(writer)

    write_bundle(writer, folder, RECORD, parent, head)
    fetch_commits(reader, folder, tmp_path / "scratch", parent, head)

    assert read_record(folder) == RECORD
    assert reader.text("cat-file", "blob", f"{head}:b.py") == "new"
    assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", "work.bundle"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_checkout_without_blobs_takes_commits_too(
    hosted: Hosted, writer: Git, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "blobless"
    plain = Git(tmp_path, environment(tmp_path), isolated=True)
    auth = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": "Authorization: Basic eC1hY2Nlc3MtdG9rZW46Ym90",
    }
    options = ("--quiet", "--filter=blob:none", "--no-checkout")
    plain.run("clone", *options, hosted.url, str(path), env=auth)
    blobless = plain.at(path)
    parent, head = head_of(writer), work(writer)
    write_bundle(writer, folder, RECORD, parent, head)

    fetch_commits(blobless, folder, tmp_path / "scratch", parent, head)

    assert blobless.text("cat-file", "blob", f"{head}:b.py") == "new"


def test_a_round_without_commits_needs_no_git_bundle(writer: Git, folder: Path) -> None:
    write_bundle(writer, folder, RECORD, head_of(writer), head_of(writer))

    assert [path.name for path in folder.iterdir()] == ["bundle.json"]


@pytest.mark.parametrize("planted", ["file", "link", "folder"])
def test_what_an_agent_left_in_the_place_of_the_bundle_is_removed_first(
    writer: Git, folder: Path, tmp_path: Path, planted: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if planted == "file":
        folder.write_text("mine")
    elif planted == "link":
        folder.symlink_to(elsewhere)
    else:
        (folder / "bundle.json").mkdir(parents=True)
        (folder / "extra").write_text("mine")

    write_bundle(writer, folder, RECORD, head_of(writer), "")

    assert read_record(folder) == RECORD
    assert [path.name for path in folder.iterdir()] == ["bundle.json"]
    assert list(elsewhere.iterdir()) == []


def test_no_folder_holds_no_record(folder: Path) -> None:
    assert read_record(folder) is None
    discard_bundle(folder)
    assert not folder.exists()


def test_a_record_that_is_no_plain_file_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    record = folder / "bundle.json"
    reasons = []
    (tmp_path / "secret").write_text("secret")
    record.symlink_to(tmp_path / "secret")
    reasons.append(unreadable(folder))
    record.unlink()
    os.mkfifo(record)
    reasons.append(unreadable(folder))
    record.unlink()
    record.mkdir()
    reasons.append(unreadable(folder))
    record.rmdir()
    record.write_bytes(b" " * (5 * 1024 * 1024))
    reasons.append(unreadable(folder))

    assert "Too many levels of symbolic links" in reasons[0]
    assert reasons[1:3] == ["bundle.json is not a regular file"] * 2
    assert reasons[3] == "bundle.json is longer than 4194304 bytes"


def unreadable(folder: Path) -> str:
    with pytest.raises(BundleInvalid) as caught:
        read_record(folder)
    return str(caught.value)


def test_a_linked_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "bundle.json").write_bytes(RECORD)
    folder.symlink_to(tmp_path / "other")

    assert unreadable(folder) == "loop-kit-bundle is a symbolic link"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "sparse", "garbage", "missing"])
def test_commits_that_are_no_plain_git_bundle_are_refused(
    reader: Git, folder: Path, kind: str
) -> None:
    folder.mkdir()
    commits = folder / "work.bundle"
    if kind == "link":
        commits.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(commits)
    elif kind == "folder":
        commits.mkdir()
    elif kind == "sparse":
        with commits.open("wb") as stream:
            stream.truncate(1024**3)
    elif kind == "garbage":
        commits.write_bytes(os.urandom(100_000))

    why = refused(reader, folder, "1" * 40)

    assert {
        "link": "Too many levels of symbolic links",
        "pipe": "not a regular file",
        "folder": "not a regular file",
        "sparse": f"longer than {MAX_COMMITS_BYTES} bytes",
        "garbage": "no git bundle of exactly refs/loop-kit/work",
        "missing": "work.bundle is missing",
    }[kind] in why


def bundled(git: Git, folder: Path, *refs: str) -> None:
    """A git bundle of these refs, as an agent can make one with git itself."""
    folder.mkdir(exist_ok=True)
    git.run("bundle", "create", "--quiet", str(folder / "work.bundle"), *refs)


def test_two_refs_are_refused(writer: Git, reader: Git, folder: Path) -> None:
    parent, head = head_of(writer), work(writer)
    writer.run("update-ref", REF, head)
    writer.run("update-ref", "refs/heads/evil", work(writer, "c.py"))
    bundled(writer, folder, REF, "refs/heads/evil", f"^{parent}")

    assert "no git bundle of exactly" in refused(reader, folder, head)


def test_another_parent_is_refused(writer: Git, reader: Git, folder: Path) -> None:
    older = work(writer)
    writer.run("update-ref", REF, put(writer, writer.text("ls-tree", "HEAD"), older))
    bundled(writer, folder, REF, f"^{older}")

    head = writer.text("rev-parse", REF)
    assert "does not build on" in refused(reader, folder, head)


def test_history_of_its_own_is_refused_although_the_header_names_the_parent(
    writer: Git, reader: Git, folder: Path
) -> None:
    parent = head_of(writer)
    root = put(writer, writer.text("ls-tree", work(writer)))
    writer.run("update-ref", REF, root)
    bundled(writer, folder, REF)
    forged(folder, b"# v2 git bundle\n", f"-{parent} Start\n")

    assert refused(reader, folder, root) == f"{root[:10]} does not build on {parent[:10]}"


def forged(folder: Path, after: bytes, line: str) -> None:
    """Put a line into the header of the git bundle."""
    commits = folder / "work.bundle"
    raw = commits.read_bytes()
    commits.write_bytes(raw.replace(after, after + line.encode(), 1))


def test_a_commit_that_is_named_and_not_held_is_refused(
    writer: Git, reader: Git, folder: Path
) -> None:
    parent, head = head_of(writer), work(writer)
    write_bundle(writer, folder, RECORD, parent, head)
    commits = folder / "work.bundle"
    commits.write_bytes(commits.read_bytes().replace(head.encode(), b"1" * 40, 1))

    assert "work.bundle is refused" in refused(reader, folder, "1" * 40)


def test_a_damaged_pack_is_refused(writer: Git, reader: Git, folder: Path) -> None:
    parent, head = head_of(writer), work(writer)
    write_bundle(writer, folder, RECORD, parent, head)
    commits = folder / "work.bundle"
    commits.write_bytes(commits.read_bytes()[:-30] + b"x" * 30)

    assert "work.bundle is refused" in refused(reader, folder, head)


MODULES = b'[submodule "a"]\n\tpath = -x\n\turl = --upload-pack=touch\n'


@pytest.mark.parametrize(
    ("name", "content", "mode", "why"),
    [
        ("..", b"x", "040000", "no repository can have: ../x"),
        (".git", b"x", "100644", "no repository can have: .git"),
        (".GIT", b"x", "100644", "no repository can have: .GIT"),
        ("git~1", b"x", "100644", "no repository can have: git~1"),
        ("a/b", b"x", "100644", "fullPathname"),
        ("../up", b"x", "100644", "no repository can have: ../up"),
        (".gitmodules", MODULES, "100644", "gitmodulesUrl"),
        (".gitmodules", b"/etc/passwd", "120000", "gitmodulesSymlink"),
    ],
    ids=["up", ".git", ".GIT", "git~1", "slash", "../up", "submodule option", "linked modules"],
)
def test_objects_that_a_server_would_refuse_are_refused(
    writer: Git, reader: Git, folder: Path, name: str, content: bytes, mode: str, why: str
) -> None:
    parent, blob = head_of(writer), hashed(writer, content)
    entry = f"{mode} blob {blob}\t{name}"
    if mode == "040000":
        inner = hashed(writer, b"100644 x\0" + bytes.fromhex(blob), "tree")
        entry = f"{mode} tree {inner}\t{name}"
    head = put(writer, f"{writer.text('ls-tree', 'HEAD')}\n{entry}", parent)
    write_bundle(writer, folder, RECORD, parent, head)

    assert why in refused(reader, folder, head)


def test_too_many_files_and_commits_are_refused(writer: Git, reader: Git, folder: Path) -> None:
    parent = head_of(writer)
    blob = hashed(writer, b"x")
    kept = writer.text("ls-tree", "HEAD")
    many = "\n".join(f"100644 blob {blob}\tb{n:05}" for n in range(10_001))
    wide = put(writer, f"{kept}\n{many}", parent)
    write_bundle(writer, folder, RECORD, parent, wide)
    assert refused(reader, folder, wide) == "it changes more than 10000 files"

    script = b"".join(
        b"commit %s\ncommitter A <a@b> %d +0000\ndata 1\nx\n" % (REF.encode(), n)
        + (b"from %s\n" % parent.encode() if n == 0 else b"")
        + b"M 100644 inline n\ndata %d\n%d\n" % (len(str(n)), n)
        for n in range(1_001)
    )
    writer.run("fast-import", "--quiet", "--force", "--date-format=raw", stdin=script)
    long = writer.text("rev-parse", REF)
    write_bundle(writer, folder, RECORD, parent, long)
    assert refused(reader, folder, long) == "it holds more than 1000 commits"


def test_hooks_in_the_checkout_are_not_run(
    writer: Git, reader: Git, folder: Path, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    for hook in ("reference-transaction", "post-checkout", "post-merge", "pre-auto-gc"):
        path = reader.directory / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {proof}\n")
        path.chmod(0o755)
    parent, head = head_of(writer), work(writer)
    write_bundle(writer, folder, RECORD, parent, head)

    fetch_commits(reader, folder, tmp_path / "scratch", parent, head)

    assert reader.has(head)
    assert not proof.exists()
