"""Imports what this process may need later, before an agent can change a file of it.

An agent that runs as the same user can append to a module of the installation; what is imported
already stays as it was. So nothing may be imported for the first time behind the first agent: not
our own modules, not the libraries, and not the parts that those import when they use them.
"""

import importlib
import pkgutil
import sys

import loop_kit

_LIBRARIES = (
    *("charset_normalizer", "github", "idna", "markdown_it", "markdown_it.tree", "pathspec"),
    *("psutil", "requests", "tenacity", "unidiff", "yaml"),
)
_OF_PYTHON = (
    *("concurrent.futures", "ctypes", "email.parser", "glob", "traceback"),
    *("encodings.ascii", "encodings.idna", "encodings.latin_1", "encodings.utf_8_sig"),
)
_NOT_IN_A_JOB = ("loop_kit.cli", "loop_kit.__main__")


def import_everything() -> None:
    """Import every module that a job may use from here on; write no file for those to come."""
    sys.dont_write_bytecode = True
    for name in (*_OF_PYTHON, *_LIBRARIES, *_our_own()):
        importlib.import_module(name)


def _our_own() -> list[str]:
    """Our own modules, but for what the command line alone uses."""
    found = pkgutil.walk_packages(loop_kit.__path__, "loop_kit.")
    return [each.name for each in found if not each.name.startswith(_NOT_IN_A_JOB)]
