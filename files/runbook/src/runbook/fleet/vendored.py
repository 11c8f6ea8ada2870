"""Packages of others in a function's archive: apprise and what it imports, as the lock installed them here.

Lambda brings boto3 and the standard library alone. Only files of pure Python go in, so the archive fits any processor,
and is the same from every checkout of one lock (requirements/controller.txt has each package's hash).
"""

from functools import cache
from importlib.metadata import distribution

PACKAGES = (
    "apprise",
    "certifi",
    "charset-normalizer",
    "idna",
    "markdown",
    "oauthlib",
    "pyyaml",
    "requests",
    "requests-oauthlib",
    "urllib3",
)
KEPT = {".py", ".pem"}
NOT_IMPORTED = ("apprise/cli.py",)
"""The command line, which would need click."""


@cache
def vendored_files() -> dict[str, bytes]:
    """Path in the archive -> content. PackageNotFoundError where this environment lacks one."""
    return {
        str(file): file.read_binary()
        for name in PACKAGES
        for file in distribution(name).files or ()
        if file.suffix in KEPT and ".." not in file.parts and str(file) not in NOT_IMPORTED
    }
