"""`./inv` makes the environment that everything else runs in."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NOBODY = 65_534
OPEN = Path(tempfile.gettempdir())
STUB = """#!/bin/sh
# Stands for Python, pip and uv: makes what ./inv needs, and says when. `-m venv` waits until the test lets it go on.
case "$*" in
    *sys.version_info*) echo "$0" ;;
    --version) echo "Python 3.11.0" ;;
    *venv*)
        echo made >>"$STUB_LOG"
        while [ ! -e "$STUB_GO" ]; do sleep 0.05; done
        mkdir -p .venv/bin
        for name in python pip uv runbook; do cp "$0" ".venv/bin/$name"; done ;;
    --list) echo "Available tasks" ;;
    env) env ;;
esac
"""


def test_an_activated_environment_is_not_built_on_itself(root: Path) -> None:
    script = (root / "inv").read_text("utf-8")
    begin = script.index("find_python() {")
    function = script[begin : script.index("\n}\n", begin) + 3]
    activated = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    found = subprocess.run(["sh", "-c", f"{function}find_python"], env=activated, capture_output=True, text=True)

    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).is_file()
    assert not Path(found.stdout.strip()).is_relative_to(sys.prefix)


def checkout(root: Path, target: Path) -> Path:
    """What ./inv reads of a checkout, and the stub."""
    for path in [root / "inv", *root.glob("requirements/*.txt"), *root.glob("files/*/pyproject.toml")]:
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    (target / "requirements/apt.txt").write_text("")
    (target / "stub").write_text(STUB)
    (target / "stub").chmod(0o755)
    return target


def stubbed(place: Path) -> dict[str, str]:
    given = {"INV_PYTHON": str(place / "stub"), "STUB_LOG": str(place / "log"), "STUB_GO": str(place / "go")}
    return os.environ | given


def test_of_two_at_once_one_makes_the_environment_and_the_other_waits(root: Path, tmp_path: Path) -> None:
    place = checkout(root, tmp_path / "a checkout")

    def start() -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([place / "inv", "--list"], env=stubbed(place), **pipes)  # type: ignore[call-overload]

    with start() as first:
        assert first.stderr is not None
        assert first.stderr.readline().startswith("inv: making .venv")
        with start() as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "inv: another ./inv makes .venv here; waiting for it\n"
            (place / "go").touch()
            said = [process.communicate() for process in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0), said
    assert said == [("Available tasks\n", "")] * 2
    assert (place / "log").read_text().splitlines() == ["made"]


def test_what_it_starts_keeps_bytecode_though_a_container_says_no(root: Path, tmp_path: Path) -> None:
    place = checkout(root, tmp_path)
    (place / "go").touch()
    said = stubbed(place) | {"PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run([place / "inv", "env"], env=said, capture_output=True, text=True, check=True)

    assert "STUB_LOG=" in done.stdout and "PYTHONDONTWRITEBYTECODE" not in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_a_checkout_that_this_user_may_not_write_is_said(root: Path) -> None:
    place = checkout(root, OPEN / f"inv-of-root-{os.getpid()}")  # pytest's own folders are closed to others
    try:
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", place / "inv", "--list"]
        done = subprocess.run(command, env=stubbed(place), capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(place)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"inv: nobody cannot write in {place}; ") and done.stderr.count("\n") == 1


def test_without_a_package_index_one_is_asked_for_it(root: Path, tmp_path: Path) -> None:
    place = checkout(root, tmp_path)
    away = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}

    done = subprocess.run([place / "inv", "--list"], env=kept | away, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert "the packages did not come: ERROR: No matching distribution found for uv" in done.stderr
    assert "Is the package index reachable" in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 3
    assert not (place / ".venv/.complete").exists()


@pytest.mark.long
def test_a_checkout_with_a_long_path_and_spaces_works_without_a_home_in_the_c_locale(root: Path) -> None:
    """As another user where that can be: with the distribution's Python, because root's own may be closed to him."""
    place = OPEN / f"inv of {os.getpid()}" / f"{'long ' * 8}path"
    place.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    subprocess.run(["xargs", "-0", "cp", "--parents", "-t", place], cwd=root, input=files, check=True)
    other = []
    if os.geteuid() == 0 and Path("/usr/bin/python3").exists():
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", place], check=True)
        other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "XDG_"))}
    env |= {"HOME": "/nonexistent", "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        for words, code, says in (
            (["--list"], 0, "Available tasks"),
            (["status", "--inventory", "127.0.0.1,"], 2, "no host in its group"),
            (["demo", "--here", "--down", "--seconds", "5"], 0, "every expected poll"),
        ):
            done = subprocess.run([*other, place / "inv", *words], env=env, capture_output=True, text=True, check=False)
            assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
            assert says in " ".join((done.stdout + done.stderr).split())
    finally:
        shutil.rmtree(Path(*place.parts[:3]))
