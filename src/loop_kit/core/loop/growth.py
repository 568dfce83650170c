"""How much a loop has changed so far, tests apart from source: a large test is not a large change.

What a file is for is read from its path, by the conventions of the languages and their test
runners: a folder of tests (`tests/`, `__tests__/`, `spec/`, `src/test/java/`, `Shop.Tests/`), or a
name (`test_cart.py`, `cart_test.go`, `cart.spec.ts`, `CartTest.java`, `cart_spec.rb`). Lock files
are neither: a tool writes thousands of their lines at a time.
"""

from collections.abc import Iterable

from loop_kit.core.loop.state import Growth
from loop_kit.patterns import late_pattern

_FOLDER = late_pattern(
    r"(?:.*[._-])?(?:[Tt]ests?|[Ss]pecs?|testdata|e2e)|__(?:tests|snapshots)__|.*[a-z](?:Tests?|Specs?)",
)
_STEM = late_pattern(
    r"tests?|(?:tests?|spec)[._-].*|.*[._-](?:tests?|spec)|.*[a-z0-9](?:Tests?|Spec)"
)
_NAMES = frozenset({"conftest.py"})
_LOCKS = frozenset({"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum"})


def growth(changed: Iterable[tuple[str, int]]) -> Growth:
    """The changed lines of files, given by path, apart by what the files are for."""
    source = tests = 0
    for path, lines in changed:
        if is_lock_file(path):
            continue
        if is_test(path):
            tests += lines
        else:
            source += lines
    return Growth(source=source, tests=tests)


def is_test(path: str) -> bool:
    """Whether a file is a test, or belongs to tests."""
    *folders, name = path.split("/")
    if name in _NAMES or any(_FOLDER.fullmatch(folder) for folder in folders):
        return True
    return bool(_STEM.fullmatch(name.rpartition(".")[0] or name))


def is_lock_file(path: str) -> bool:
    """Whether a tool writes the file, to hold versions."""
    name = path.rpartition("/")[2]
    return name in _LOCKS or name.endswith(".lock")
