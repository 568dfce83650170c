"""What pip and uv see of a job's environment while they install this action.

The operator's index, proxy and certificates count: behind a company's mirror nothing else works.
What could lead an installer to files of the checkout does not: whoever opens a pull request writes
those. So nothing that Python reads is passed on, of pip's and uv's own settings only where packages
come from and how they are fetched, and no file or folder inside the checkout but certificates:
those cannot bring in another package, since each is installed by its hash. Secrets of the inputs
stay out, too. This runs before anything is installed, so it uses the standard library alone.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from loop_kit.patterns import late_pattern

ENVIRONMENT = "loop-kit-venv-"
"""How the name of the environment begins that the action installs in the runner's folder."""
READY = "loop-kit-ready"
"""The file in it that says that it is complete, and that no program has changed it since."""
_STEERS = late_pattern(
    r"(?:PYTHON|PIP_|UV_|INPUT_)\w*|VIRTUAL_ENV|CONDA_PREFIX|__PYVENV_LAUNCHER__"
)
_SOURCES = ("INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "KEYRING_PROVIDER")
_CERTIFICATES = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "SSL_CLIENT_CERT"),
)
_FETCHING = {
    *(f"{tool}_{name}" for tool in ("PIP", "UV") for name in (*_SOURCES, "CACHE_DIR")),
    *("PIP_CONFIG_FILE", "PIP_TRUSTED_HOST", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY"),
    *("PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_RESUME_RETRIES"),
    *("PIP_NO_CACHE_DIR", "PIP_NO_INPUT", "PIP_USE_FEATURE", "PIP_USE_DEPRECATED"),
    *("UV_CONFIG_FILE", "UV_NO_CONFIG", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_STRATEGY"),
    *("UV_INSECURE_HOST", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_CREDENTIALS_DIR"),
    *("UV_HTTP_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT", "UV_REQUEST_TIMEOUT", "UV_HTTP_RETRIES"),
    *("UV_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_INSTALLS", "UV_NO_CACHE", "UV_LINK_MODE"),
    *("UV_OFFLINE", "UV_NO_PROGRESS"),
}
_LOGIN = late_pattern(r"UV_INDEX_\w+_(?:USERNAME|PASSWORD)")
_PLACES = {
    *("PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_CACHE_DIR"),
    *("UV_CONFIG_FILE", "UV_FIND_LINKS", "UV_CACHE_DIR", "UV_CREDENTIALS_DIR"),
    *("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "NETRC"),
    *("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
}


def installer_environment(environ: Mapping[str, str], here: Path) -> dict[str, str]:
    """The part of `environ` that installers get; `here` is the folder that the job is in."""
    named = Path(environ.get("GITHUB_WORKSPACE") or here)
    checkouts = {folder.resolve() for folder in (here, named)}
    environment = {
        name: str(here / value) if name in _CERTIFICATES and value else value
        for name, value in environ.items()
        if not _STEERS.fullmatch(name) or name in _FETCHING or _LOGIN.fullmatch(name)
        if name not in _PLACES or not _is_inside(value, here, checkouts)
    }
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    outside = (each for each in folders if not _is_inside(each, here, checkouts))
    return {**environment, "PATH": os.pathsep.join(outside)}


def _is_inside(value: str, here: Path, checkouts: set[Path]) -> bool:
    """Whether one of the paths in `value` is in a checkout; a whole disk is no checkout."""
    paths = [] if "://" in value else re.split(rf"[{os.pathsep},\s]", value)
    return any(
        (here / path).resolve().is_relative_to(checkout)
        for path in paths
        for checkout in checkouts
        if checkout != Path(checkout.anchor)
    )
