"""Build one release on the host, offline: a virtual environment at its final path, complete when its marker is there.

Arguments: folder of the release, wheelhouse (tar), our wheel. Run as root.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMPLETE = ".complete"


def remove_half_built(releases: Path) -> None:
    """What a run that died left behind; no deployment can point to a release without its marker."""
    for path in releases.iterdir():
        if not (path / COMPLETE).is_file():
            shutil.rmtree(path)


def run(*argv: object) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.strip()


def install(release: Path, wheelhouse: Path, wheel: Path) -> None:
    python = release / "bin" / "python3"
    pip = [python, "-I", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    with tempfile.TemporaryDirectory(dir=release.parent.parent) as scratch:
        run("tar", "--extract", "--no-same-owner", "--file", wheelhouse, "--directory", scratch)
        run(sys.executable, "-m", "venv", release)
        lock = ["--require-hashes", "--find-links", scratch, "--requirement", Path(scratch) / "requirements.txt"]
        run(*pip, "install", "--no-index", "--no-deps", "--no-compile", *lock)
    run(*pip, "install", "--no-index", "--no-deps", "--no-compile", wheel)
    # Nothing is installed into a release again, and what is not there need not be patched.
    run(*pip, "uninstall", "--yes", *(["pip"] if sys.version_info >= (3, 12) else ["pip", "setuptools"]))
    run(python, "-I", "-m", "compileall", "-q", "-j", "0", release / "lib")


def prove(release: Path) -> None:
    """The program of the release names the release: the venv, the package and its entry point fit together."""
    answer = run(release / "bin" / "harvester", "--version")
    if release.name not in answer.split():
        sys.exit(f"{release}/bin/harvester --version says {answer!r}, not {release.name}")


def mark_complete(release: Path) -> None:
    os.sync()
    (release / COMPLETE).touch(mode=0o644)


def main() -> None:
    release, wheelhouse, wheel = map(Path, sys.argv[1:])
    os.umask(0o022)
    remove_half_built(release.parent)
    install(release, wheelhouse, wheel)
    (release / "RELEASE").write_text(f"{release.name}\n", encoding="ascii")
    prove(release)
    mark_complete(release)


main()
