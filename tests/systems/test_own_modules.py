"""Modules and functions that some system lacks are used by the adapters that own them alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.systems.hidden import sitecustomize as lacking

SOURCE = Path(__file__).parents[2] / "src" / "loop_kit"
OWNERS = {
    "fcntl": {
        "adapters/files/owned_folder.py",
        "adapters/loop_dir/loop_lock.py",
        "adapters/workspaces/copying.py",
    },
    "ctypes": {
        "adapters/process/own_process.py",
        "adapters/process/tree.py",
        "adapters/workspaces/writes.py",
    },
    "msvcrt": {"adapters/loop_dir/loop_lock.py"},
}
"""Whose lock, and whose call of the kernel it is: each has another way, or does without it."""
ROOM = "adapters/process/room/"
"""Only made on Linux."""
USED = {
    "adapters/agents/claude.py": {"geteuid"},
    "adapters/agents/scripted_player.py": {"fork", "setsid"},
    "adapters/files/owned_folder.py": {"O_DIRECTORY", "O_NOFOLLOW", "geteuid"},
    "adapters/loop_dir/loop_lock.py": {"O_DIRECTORY"},
    "adapters/process/namespace.py": {"O_NONBLOCK", "geteuid", "mkfifo"},
    "adapters/process/process.py": {"killpg", "memfd_create"},
    "adapters/process/timed.py": {"pidfd_open"},
    "adapters/workspaces/marks.py": {"listxattr"},
    "adapters/workspaces/root.py": {"geteuid", "getuid"},
    "adapters/workspaces/space.py": {"O_DIRECTORY"},
    "adapters/workspaces/writes.py": {"O_CLOEXEC", "O_NONBLOCK"},
}
"""What these ask for before they use it, or use on such a system alone."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(ROOM):
            yield name, ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module))
    return names


def test_a_module_that_some_system_lacks_is_imported_by_its_owner_alone() -> None:
    watched = lacking.MODULES | set(OWNERS)
    found: dict[str, set[str]] = {}
    for name, tree in trees():
        for module in imported(tree) & watched:
            found.setdefault(module, set()).add(name)
    assert found == OWNERS


def test_such_a_module_is_imported_where_it_is_used_and_not_at_the_top() -> None:
    for name, tree in trees():
        top = ast.Module(
            [node for node in tree.body if "import" in type(node).__name__.lower()], []
        )
        assert not imported(top) & set(OWNERS), name


def test_functions_of_the_system_are_used_by_few_adapters_that_ask_for_them() -> None:
    watched = {
        f"os.{name}" for group in (lacking.LINUX, lacking.POSIX) for name in group["os"].split()
    }
    found: dict[str, set[str]] = {}
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in watched:
                found.setdefault(name, set()).add(node.attr)
    assert found == USED


def test_files_of_the_kernel_are_read_on_linux_alone() -> None:
    found = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and str(node.value).startswith("/proc/")
    }
    assert found == {
        "adapters/loop_dir/write_ahead.py",
        "adapters/process/own_process.py",
        "adapters/process/tree.py",
        "adapters/workspaces/writes.py",
    }


def test_what_is_written_by_descriptor_keeps_its_line_ends_on_windows() -> None:
    texts = {name: ast.unparse(tree) for name, tree in trees()}
    writers = {name for name, text in texts.items() if "os.O_WRONLY" in text}
    assert len(writers) >= 4
    assert [
        name
        for name in writers
        if texts[name].count("os.O_WRONLY") > texts[name].count("'O_BINARY'")
    ] == []
