"""The names of the tests that fail, from a JUnit report that a verify command has written.

The report is the work of the code under test: it is read to a bound, and one with a document type,
which is where entities that grow without end are declared, is not read at all.
"""

from collections.abc import Mapping

from loop_kit.core.text.sanitize import one_line
from loop_kit.patterns import late_pattern

MAX_REPORT = 2 * 1024 * 1024
MAX_TESTS = 10

_MAX_NAME = 150
_FILE = late_pattern(r"(?:^|[\s='\":])([\w.-]+(?:/[\w.-]+)*\.xml)(?=$|[\s'\";&|)])")


def report_paths(command: str) -> tuple[str, ...]:
    """The XML files that a command names, relative to where it runs."""
    named = (found.removeprefix("./") for found in _FILE.findall(command))
    return tuple(dict.fromkeys(path for path in named if ".." not in path.split("/")))


def failing_tests(report: bytes) -> tuple[str, ...]:
    """The names of the failing tests, with their classes; none for what is no JUnit report."""
    from xml.parsers import expat

    parser, reader = expat.ParserCreate(), _Reader()
    parser.StartElementHandler = reader.start
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(report[: MAX_REPORT + 1], True)  # noqa: FBT003
    except (expat.ExpatError, ValueError, LookupError):
        return ()
    return tuple(dict.fromkeys(reader.failing))


def failing_words(names: tuple[str, ...]) -> str:
    """A line that names the failing tests; '' where none is known."""
    if not names:
        return ""
    more = f" and {len(names) - MAX_TESTS} more" if len(names) > MAX_TESTS else ""
    return f"Failing tests: {', '.join(names[:MAX_TESTS])}{more}\n"


class _Reader:
    """Remembers the last test case, and that it fails when it says so."""

    def __init__(self) -> None:
        self._test = ""
        self.failing: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "testcase":
            parts = (attributes.get("classname", ""), attributes.get("name", ""))
            self._test = one_line("::".join(filter(None, parts)), _MAX_NAME)
        elif tag in {"failure", "error"} and self._test:
            self.failing.append(self._test)


def _refuse(*_: object) -> None:
    raise ValueError("a document type declares entities")
