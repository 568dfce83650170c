"""The certificates that this system trusts, for tools that bring their own list.

Behind a company's proxy, or with an index of its own, those are the ones that count. `uv` takes
them when it is asked; `pip` does so by itself from 24.2 on, before that it is given the file.
Run as a script, this prints what an older pip is to be given as PIP_CERT. It runs before anything
is installed, so it uses the standard library alone.
"""

import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

UV = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
"""The second is the name of the first before uv 0.11."""

_TRUSTS_BY_ITSELF = (24, 2)
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def pip_settings(version: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables to run a pip of this version with; none where it knows what to trust."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers >= _TRUSTS_BY_ITSELF or environ.get("PIP_CERT") or sys.platform != "linux":
        return {}
    bundle = system_bundle()
    return {"PIP_CERT": bundle} if bundle else {}


def system_bundle() -> str | None:
    """The file or folder of the certificates that OpenSSL trusts here, as SSL_CERT_FILE says."""
    paths = ssl.get_default_verify_paths()
    bundles = (path for path in (paths.cafile, *_BUNDLES) if path and Path(path).is_file())
    return next(bundles, paths.capath)


if __name__ == "__main__":
    import ensurepip

    print(pip_settings(ensurepip.version(), os.environ).get("PIP_CERT", ""))
