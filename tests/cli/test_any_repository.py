"""Any repository that git accepts takes a loop of two rounds to its end, in the user's branch."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import pytest
from tests.cli.harness import FAST, SENT_BACK, Repo, Result, Steps, assert_refused
from tests.support.programs import LOOP, Program

Shape = Callable[[Repo], None]

COMMIT = "export GIT_CONFIG_GLOBAL=/dev/null; git add calc.py; git commit -qm $LOOP_ROUND"
"""Without the user's own settings: some of them would break the git of an agent too."""
LEFT: Steps = [{"sh": "echo VALUE = $LOOP_ROUND > calc.py; echo 1 > new.py"}, {"report": {}}]
DONE: Steps = [*LEFT[:1], {"sh": COMMIT}, {"report": {}}]


def configured(*settings: str, where: str = "--global") -> Shape:
    """Settings of the user, or of the repository."""

    def shape(repo: Repo) -> None:
        for setting in settings:
            repo.git("config", where, *setting.split("=", 1))

    return shape


def move(repo: Repo, name: str) -> None:
    root = repo.root.parent / name
    repo.root.rename(root)
    repo.root = root


def moved(name: str) -> Shape:
    return lambda repo: move(repo, name)


def made_anew(*options: str) -> Shape:
    """The same files in a repository that `git init` makes with these options."""

    def shape(repo: Repo) -> None:
        subprocess.run(["rm", "-rf", str(repo.root / ".git")], check=True)
        repo.git("init", "--quiet", *options)
        repo.git("add", "calc.py", "README.md")
        repo.git("commit", "--quiet", "-m", "base")

    return shape


def cloned(*options: str) -> Shape:
    """A clone, as `git clone` makes it with these options."""

    def shape(repo: Repo) -> None:
        repo.git("config", "uploadpack.allowFilter", "true")
        repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
        clone = repo.root.parent / "clone"
        repo.git("clone", "--quiet", *options, f"file://{repo.root}", str(clone))
        repo.root = clone
        repo.card(verify=["grep VALUE calc.py"])

    return shape


def work_tree(repo: Repo) -> None:
    tree = repo.root.parent / "tree"
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tree))
    repo.root = tree
    repo.card()


def detached(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--detach")


def sparse(repo: Repo) -> None:
    for name in ("in/a.txt", "out/b.txt"):
        (repo.root / name).parent.mkdir()
        (repo.root / name).write_text("x\n")
    repo.git("add", "in", "out")
    repo.git("commit", "--quiet", "-m", "folders")
    repo.git("sparse-checkout", "set", "in")
    repo.card(verify=["test -f out/b.txt"])


def split_index(repo: Repo) -> None:
    configured("core.splitIndex=true")(repo)
    repo.git("update-index", "--split-index")
    assert list((repo.root / ".git").glob("sharedindex.*"))


def malformed(repo: Repo) -> None:
    """One old commit has a time zone that git refuses in new ones."""
    who = "A <a@example.org> 1313584730 +051800"
    tree, parent = repo.git("rev-parse", "HEAD^{tree}"), repo.head
    body = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nold\n"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=repo.root,
        env=repo.environ,
        input=body.encode(),
        capture_output=True,
        check=True,
    )
    repo.git("reset", "--quiet", "--hard", made.stdout.decode().strip())
    repo.git("commit", "--quiet", "--allow-empty", "-m", "newer")


def malformed_and_checked(repo: Repo) -> None:
    malformed(repo)
    configured("fetch.fsckObjects=true", "transfer.fsckObjects=true")(repo)


def built_submodule(repo: Repo) -> None:
    """Build output in a submodule, which its own configuration hides."""
    source = str(repo.root.parent / "source")
    repo.git("clone", "--quiet", str(repo.root), source)
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "sub")
    repo.git("config", "-f", ".gitmodules", "submodule.sub.ignore", "dirty")
    repo.git("add", ".gitmodules")
    repo.git("commit", "--quiet", "-m", "sub")
    (repo.root / "sub" / "calc.py").write_text("built\n")
    (repo.root / "sub" / "out.o").write_text("built\n")


def untracked_in_submodule(repo: Repo) -> None:
    built_submodule(repo)
    repo.git("config", "-f", ".gitmodules", "--unset", "submodule.sub.ignore")
    repo.git("commit", "--quiet", "-am", "no setting")
    repo.git("checkout", "--quiet", "calc.py", cwd=repo.root / "sub")


def odd_paths(repo: Repo) -> None:
    for name in ("new\nline.txt", "par\u2028agraph.txt", ' "quoted" ', "-u", ":(top)magic"):
        (repo.root / name).write_text("x\n")
    repo.git("add", "--", ".", ":!.loop")
    repo.git("commit", "--quiet", "-m", "odd")


def no_home(repo: Repo) -> None:
    repo.extra = {"GIT_CONFIG_GLOBAL": str(repo.home / ".gitconfig"), "HOME": ""}


def exported(repo: Repo) -> None:
    git_dir = str(repo.root / ".git")
    repo.extra = {
        "GIT_DIR": git_dir,
        "GIT_WORK_TREE": str(repo.root),
        "GIT_INDEX_FILE": f"{git_dir}/index",
        "GIT_OBJECT_DIRECTORY": f"{git_dir}/objects",
        "GIT_PREFIX": "src/",
    }


def separate(repo: Repo) -> None:
    repo.git("init", "--quiet", "--separate-git-dir", str(repo.root.parent / "apart"))


def core_work_tree(repo: Repo) -> None:
    separate(repo)
    repo.git("config", "core.worktree", str(repo.root))


def hooks(repo: Repo) -> None:
    folder = repo.root.parent / "hooks"
    folder.mkdir()
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-merge"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {repo.fake}/hooked\nexit 1\n")
        (folder / name).chmod(0o755)
    repo.git("config", "core.hooksPath", str(folder))


def same_names(repo: Repo) -> None:
    """A tag with the name of the branch."""
    repo.git("tag", "main")


def borrowed(repo: Repo) -> None:
    clone = repo.root.parent / "clone"
    repo.git("clone", "--quiet", "--shared", str(repo.root), str(clone))
    repo.root = clone
    repo.card()


TASTE = (
    *("diff.orderFile=/nowhere", "diff.noprefix=true", "diff.mnemonicPrefix=true"),
    *("diff.external=false", "diff.renames=copies", "diff.relative=true", "color.ui=always"),
    *("core.quotePath=true", "core.abbrev=4", "status.showUntrackedFiles=no"),
    *("log.showSignature=true", "log.date=relative", "i18n.logOutputEncoding=latin1"),
    *("fetch.prune=true", "push.default=nothing", "submodule.recurse=true"),
    *("init.defaultBranch=odd", "clone.defaultRemoteName=odd", "commit.gpgSign=true"),
    *("gpg.program=false", "core.pager=false", "core.editor=false", "blame.ignoreRevsFile=/none"),
)
SHAPES: dict[str, Shape] = {
    "linked work tree": work_tree,
    "detached head": detached,
    "sparse": sparse,
    "blobless": cloned("--filter=blob:none"),
    "treeless": cloned("--filter=tree:0"),
    "shallow": cloned("--depth=1"),
    "shallow and blobless": cloned("--depth=1", "--filter=blob:none"),
    "SHA-256": made_anew("--object-format=sha256"),
    "split index": split_index,
    "index of version 4": configured("index.version=4", "core.untrackedCache=true"),
    "protocol.file off": configured("protocol.file.allow=never", "protocol.allow=never"),
    "malformed old history": malformed,
    "malformed and checked": malformed_and_checked,
    "ignored changes in a submodule": built_submodule,
    "untracked files in a submodule": untracked_in_submodule,
    "odd paths": odd_paths,
    "no home": no_home,
    "GIT_DIR exported": exported,
    "git directory elsewhere": separate,
    "core.worktree": core_work_tree,
    "hooks": hooks,
    "ambiguous names": same_names,
    "borrowed objects": borrowed,
    "a user's taste": configured(*TASTE),
    "names without case": configured("core.ignoreCase=true", "core.precomposeUnicode=true"),
    "no modes, no links": configured("core.fileMode=false", "core.symlinks=false"),
    "line ends": configured("core.autocrlf=true", "core.safecrlf=true"),
    "no identity": configured("user.useConfigOnly=true"),
    "root with spaces and quotes": moved("a b'\"$x;%*?[x]\\q"),
    "root with a line end": moved("a\nb"),
    "root with a paragraph separator": moved("a\u2028b\x85c"),
    "root like an option": moved("-u:c,d=e"),
}


def git_has_reftable(repo: Repo) -> bool:
    asked = subprocess.run(["git", "init", "-h"], capture_output=True, text=True, check=False)
    return "--ref-format" in asked.stdout + asked.stderr


def reftable(repo: Repo) -> None:
    """References in a table, where this git can write them."""
    options = ("--ref-format=reftable",) if git_has_reftable(repo) else ()
    made_anew(*options)(repo)


SHAPES["reftable"] = reftable


def assert_approved(repo: Repo, result: Result) -> None:
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")
    assert repo.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "reviewer/2/1"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_loop_is_approved_and_the_users_branch_has_its_work(repo: Repo, shape: str) -> None:
    repo.card(verify=["grep VALUE calc.py"])
    SHAPES[shape](repo)
    repo.plan({"worker/1": LEFT, "worker/2": DONE, "reviewer/1": SENT_BACK})

    result = repo.run()

    assert_approved(repo, result)
    assert not (repo.fake / "hooked").exists()
    assert repo.git("show", "loop/T-001/work:calc.py") == "VALUE = 2"
    assert repo.json("summary.json")["files_changed"] == ["calc.py", "new.py"]
    if shape != "detached head":
        assert repo.head == repo.git("rev-parse", "refs/heads/loop/T-001/work")


def in_two_work_trees(repo: Repo) -> list[Repo]:
    tree = repo.root.parent / "tree"
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tree))
    fake = repo.fake.parent / "fake-2"
    fake.mkdir()
    other = Repo(tree, repo.home, fake, repo.bin)
    other.card(task_id="T-002")
    other.plan({})
    return [repo, other]


def run_at_once(repos: Sequence[Repo]) -> list[Program]:
    return [repo.start() for repo in repos]


def test_loops_in_two_work_trees_take_nothing_from_each_other(repo: Repo) -> None:
    both = in_two_work_trees(repo)
    add_all = "echo VALUE = 2 > calc.py; git add -A; git commit -qm All"
    both[0].plan({"worker": [{"sh": add_all}, {"report": {}}]})
    both[1].plan({"worker": [{"gate": "slow"}, {"sh": add_all}, {"report": {}}]})

    quick, slow = run_at_once(both)
    both[1].reached("slow")
    assert quick.wait(60) == 0, quick.communicate()
    assert repo.git("status", "--porcelain", cwd=both[1].root) == ""
    both[1].open("slow")
    text = slow.communicate(60)[0]

    assert slow.returncode == 0, text
    assert [each.ended for each in both] == [("done", "approved")] * 2
    assert repo.git("diff", "--name-only", "HEAD~1", "loop/T-002/work", "--") == "calc.py"
    assert repo.git("status", "--porcelain", cwd=both[1].root) == "?? .loop/"


def test_loops_that_end_their_work_at_once_do_not_mix_it_up(repo: Repo) -> None:
    both = in_two_work_trees(repo)
    work = 'echo VALUE = $LOOP_TASK_ID > calc.py; git commit -qam "$LOOP_TASK_ID"'
    for each in both:
        each.plan({"worker": [{"gate": "go"}, {"sh": work}, {"report": {}}]})
    processes = run_at_once(both)
    for each in both:
        each.reached("go")
    for each in both:
        each.open("go")

    texts = [process.communicate(60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], texts
    for task_id in ("T-001", "T-002"):
        assert repo.git("show", f"loop/{task_id}/work:calc.py") == f"VALUE = {task_id}"


def test_no_commit_and_no_fetch_elsewhere_voids_a_verdict(repo: Repo) -> None:
    both = in_two_work_trees(repo)
    repo.plan({"reviewer": [{"gate": "reading"}, {"report": {}}]})
    process = repo.start()
    repo.reached("reading")
    repo.git("commit", "--quiet", "--allow-empty", "-m", "elsewhere", cwd=both[1].root)
    repo.git("fetch", "--quiet", ".", "main:refs/remotes/origin/main", cwd=both[1].root)
    repo.open("reading")

    text = process.communicate(60)[0]
    assert process.returncode == 0, text
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_a_bare_repository_is_refused_with_what_to_do(repo: Repo) -> None:
    bare = repo.root.parent / "bare.git"
    repo.git("clone", "--quiet", "--bare", str(repo.root), str(bare))
    refused = repo.loop("run", cwd=bare)
    assert_refused(refused, 1, "bare repository", "git worktree add")


def test_a_folder_that_only_an_exported_git_dir_makes_a_repository_is_refused(repo: Repo) -> None:
    apart = repo.root.parent / "apart.git"
    (repo.root / ".git").rename(apart)
    environ = {"GIT_DIR": str(apart), "GIT_WORK_TREE": str(repo.root)}
    assert_refused(repo.loop("run", env=environ), 1, "GIT_DIR is ignored", f"gitdir: {apart}")


def test_a_verdict_that_is_void_names_what_was_changed(repo: Repo) -> None:
    repo.plan(
        {"reviewer/1/1": [{"sh": "git branch mine; echo X > README.md"}, {"report": {}}]},
    )
    result = repo.run()
    assert result.code == 0, result.text
    line = next(line for line in result.out.splitlines() if "The reviewer is asked again" in line)
    assert line.endswith("a tracked file: refs/heads/mine, README.md")


def test_the_summary_lists_what_git_says_was_changed(repo: Repo) -> None:
    repo.plan({"worker": [*DONE[:2], {"report": {"files_changed": ["other.py"]}}]})
    assert repo.run().code == 0
    assert repo.json("summary.json")["files_changed"] == ["calc.py", "new.py"]


def test_an_account_without_a_name_and_a_home_runs_a_loop(repo: Repo) -> None:
    """By the modules that look names up, for another account cannot read this test's folders."""
    lost = repo.root.parent / "lost"
    lost.mkdir()
    (lost / "sitecustomize.py").write_text(
        "import os, pwd, getpass\n"
        "def missing(*_): raise KeyError('getpwuid(): uid not found: 54321')\n"
        "pwd.getpwuid = pwd.getpwnam = missing\n"
        "getpass.getuser = missing\n"
    )
    script = f"unset HOME USER LOGNAME; exec {LOOP} run --auto-dispatch {' '.join(FAST)}"
    result = repo.execute(["/bin/sh", "-c", script], env={"PYTHONPATH": str(lost)})
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")


ODD = ("new\nline.txt", "par\u2028agraph.txt", "next\x85line.txt", '"quoted"', "tab\there")


def test_odd_paths_come_through_a_loop_as_git_has_them(repo: Repo) -> None:
    repo.card(in_scope=list(ODD), out_of_scope=["src/"])
    repo.plan({"worker": [{"write": dict.fromkeys(ODD, "x\n")}, {"report": {}}]})

    result = repo.run()

    assert result.code == 0, result.text
    assert repo.json("summary.json")["files_changed"] == sorted(ODD)
    changed = repo.git("diff", "--name-only", "-z", "HEAD~1", "HEAD")
    assert sorted(changed.split("\0")[:-1]) == sorted(ODD)
    asked = repo.json("review_request.json")
    assert asked["in_scope"] == list(ODD)
    assert asked["diff_stat"]["files"] == len(ODD)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_path_that_is_out_of_scope_is_refused(repo: Repo, name: str) -> None:
    (repo.root / name).write_text("mine\n")
    repo.git("add", "--", f":(literal){name}")
    repo.git("commit", "--quiet", "-m", "odd")
    repo.card(out_of_scope=[name])
    repo.plan({"worker": [{"write": {name: "x\n"}}, {"report": {}}]})

    result = repo.run()

    assert result.code == 7, result.text
    assert repo.state["reasons"] == ["scope"]
    assert len(result.out.splitlines()) < 25
