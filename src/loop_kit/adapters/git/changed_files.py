"""Which files below a folder a push or a pull request adds or changes."""

from loop_kit.adapters.git.command import Git

_FILES = frozenset({"100644", "100755"})


def changed_files(git: Git, before: str, after: str, folder: str) -> tuple[str, ...]:
    """Paths of regular files below `folder` that differ at `after`; all of them without `before`.

    Both commits are at hand. Links and submodules are left out: they hold no text of their own.
    """
    if before:
        asked = ("diff", "--raw", "-z", "--no-renames", "--diff-filter=AM", before, after)
        fields = _fields(git.run(*asked, "--", folder).out)
        rows = zip(fields[::2], fields[1::2], strict=False)
        found = [path for row, path in rows if row.split(" ")[1] in _FILES]
    else:
        listed = git.run("ls-tree", "-r", "-z", "--full-tree", after, "--", folder)
        entries = (line.partition("\t") for line in _fields(listed.out))
        found = [path for row, _, path in entries if row[:6] in _FILES]
    return tuple(sorted(found))


def _fields(out: bytes) -> list[str]:
    return [field for field in out.decode("utf-8", "replace").split("\0") if field]
