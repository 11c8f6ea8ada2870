"""Controller side of a release: its id, our wheel, and the wheels of the locked requirements for the host's Python.

Prints one JSON object: release, wheel, wheelhouse (a tar file) and wheelhouse_id. What is cached under its content's
name is not built again; a file appears under its final name only when it is whole.
"""

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Debian 12, the oldest host, has glibc 2.36; a wheel for an older glibc runs there too.
OLDEST_GLIBC, NEWEST_GLIBC = 17, 36
# 1980-01-01, the oldest time a zip file can hold: the same source gives the same wheel.
EPOCH = "315532800"
ID_LENGTH = 12


class BuildError(Exception):
    """Says what could not be built and what to do about it."""


def source_files(source: Path) -> Iterator[Path]:
    """Everything the wheel is made of, in one order on every machine."""
    yield source / "pyproject.toml"
    for path in sorted((source / "src").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not any(p.endswith(".egg-info") for p in path.parts):
            yield path


def digest(*parts: bytes) -> str:
    """Short hash of parts, each with its length, so that no two lists of parts run together."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:ID_LENGTH]


def release_of(source: Path, requirements: Path, python: str) -> str:
    """Id of a release: same source, same requirements and same Python minor version give the same id."""
    files = [
        part for path in source_files(source) for part in (str(path.relative_to(source)).encode(), path.read_bytes())
    ]
    return digest(*files, requirements.read_bytes(), python.encode())


def run(argv: list[str], what: str, **options: object) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise BuildError(f"{what} failed: {' '.join(argv)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of our package in folder, which is named after the release."""
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            target = Path(scratch) / "wheel"
            argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
            run(argv, "Building our wheel", cwd=source, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
            target.rename(folder)
    return next(folder.glob("*.whl"))


def platforms(machine: str) -> list[str]:
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    return [argument for tag in [*tags, f"manylinux2014_{machine}"] for argument in ("--platform", tag)]


def build_wheelhouse(requirements: Path, python: str, machine: str, target: Path) -> None:
    """A tar file with the wheels that the host's Python needs, each checked against its hash in the lock."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        wheels = Path(scratch) / "wheels"
        argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        argv += ["--require-hashes", "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        argv += [*platforms(machine), "--requirement", str(requirements), "--dest", str(wheels)]
        run(argv, f"Downloading wheels for Python {python} on {machine}")
        (wheels / "requirements.txt").write_bytes(requirements.read_bytes())
        archive = Path(scratch) / "wheels.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(wheels, arcname=".")
        archive.rename(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="folder of the harvester package")
    parser.add_argument("--requirements", type=Path, required=True, help="hashed requirements of a host")
    parser.add_argument("--python", required=True, help="minor version of the host's Python, such as 3.12")
    parser.add_argument("--machine", required=True, help="architecture of the host, such as x86_64")
    parser.add_argument(
        "--cache", type=lambda text: Path(text).absolute(), required=True, help="folder of what was built before"
    )
    parser.add_argument("--id-only", action="store_true", help="build nothing")
    options = parser.parse_args()
    release = release_of(options.source, options.requirements, options.python)
    wheelhouse_id = digest(options.requirements.read_bytes(), options.python.encode(), options.machine.encode())
    answer = {"release": release, "wheelhouse_id": wheelhouse_id}
    if not options.id_only:
        wheelhouse = options.cache / "wheelhouse" / f"{wheelhouse_id}.tar"
        for folder in (wheelhouse.parent, options.cache / "wheels"):
            folder.mkdir(parents=True, exist_ok=True)
        with (options.cache / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not wheelhouse.is_file():
                build_wheelhouse(options.requirements, options.python, options.machine, wheelhouse)
            wheel = build_wheel(options.source, options.cache / "wheels" / release)
        answer |= {"wheelhouse": str(wheelhouse), "wheel": str(wheel)}
    print(json.dumps(answer))


if __name__ == "__main__":
    try:
        main()
    except (BuildError, OSError) as error:
        sys.exit(str(error))
