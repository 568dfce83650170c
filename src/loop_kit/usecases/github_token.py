"""The token for GitHub's API that a person or a job has exported. Imports nothing heavy."""

from collections.abc import Mapping

_VARIABLES = ("LOOP_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")


def exported_token(environ: Mapping[str, str]) -> str | None:
    """The token in the first of the variables that holds one."""
    return next((token for name in _VARIABLES if (token := environ.get(name, "").strip())), None)
