"""Build one release on the host, offline: a virtual environment at its final path, complete when its marker is there.

Arguments: folder of the release, wheelhouse (tar), our wheel; or --verify and the folder, which compares the release
with the list of its files in the marker: exit code 3 and a sentence when it is damaged. Run as root.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMPLETE = ".complete"
DAMAGED = 3


def describe(path: Path) -> str:
    """What a file must stay: mode and hash, or where a link leads."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    mode = f"{path.lstat().st_mode & 0o7777:o}"
    if path.is_dir():
        return mode
    with path.open("rb") as file:
        return f"{mode} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def list_files(release: Path) -> dict[str, str]:
    """Every file, folder and link of a release by its path in it, apart from the marker."""
    paths = [Path(folder, name) for folder, folders, files in os.walk(release) for name in folders + files]
    return {str(path.relative_to(release)): describe(path) for path in [release, *paths] if path.name != COMPLETE}


def find_damage(release: Path) -> str:
    """What differs from the list, in a sentence; empty: nothing. A marker of an older release has no list."""
    try:
        marker = (release / COMPLETE).read_text("utf-8")
        if not marker:
            is_named = (release / "RELEASE").read_text("utf-8").strip() == release.name
            return "" if is_named and (release / "bin/harvester").stat().st_size else "it is empty"
        wanted, found = json.loads(marker), list_files(release)
    except (OSError, ValueError) as error:
        return f"it cannot be read: {error}"
    different = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    shown = ", ".join(different[:3]) + (" ..." if len(different) > 3 else "")
    return f"{len(different)} of its files are missing, changed or new: {shown}" if different else ""


def remove_half_built(releases: Path) -> None:
    """What a run that died left behind, unless it is in use; what cannot be removed stays."""
    in_use = {(releases.parent / link / "release").resolve() for link in ("current", "previous")}
    for path in releases.iterdir():
        if path not in in_use and not (path / COMPLETE).is_file():
            shutil.rmtree(path, ignore_errors=True)


def set_aside(release: Path) -> None:
    """A damaged one leaves its path, and is removed by the next build."""
    if release.exists():
        (release / COMPLETE).unlink(missing_ok=True)
        release.rename(release.with_name(f".{release.name}.{time.time_ns()}"))


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
    files = list_files(release)
    os.sync()
    candidate = release / f"{COMPLETE}.new"
    candidate.write_text(json.dumps(files, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    candidate.chmod(0o644)
    candidate.replace(release / COMPLETE)


def main() -> None:
    if sys.argv[1] == "--verify":
        if damage := find_damage(Path(sys.argv[2])):
            print(f"{sys.argv[2]}: {damage}")
            sys.exit(DAMAGED)
        return
    release, wheelhouse, wheel = map(Path, sys.argv[1:])
    os.umask(0o022)
    set_aside(release)
    remove_half_built(release.parent)
    install(release, wheelhouse, wheel)
    (release / "RELEASE").write_text(f"{release.name}\n", encoding="ascii")
    prove(release)
    mark_complete(release)


if __name__ == "__main__":
    main()
