"""Host side of an application: unpack a release, have Compose judge it, fetch or build its images. Run as root.

    prepare RELEASE ARCHIVE PROJECT ENV     what runs is not touched; complete when its marker is there
    verify RELEASE                          exit code 3 and a sentence where its files are not those of the marker
    prune RELEASES PROJECT KEEP...          remove other releases and their images

What is refused is a sentence on standard error each; values of variables are never printed.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

COMPLETE, COMPOSE, PRODUCTION = ".complete", ".compose", ".production.yml"
DAMAGED = 3
VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_]\w*)(:?[-?+])?|([A-Za-z_]\w*))")
KEY = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=")
PROCESS = re.compile(r'\(\("([^"]+)",pid=(\d+)')
SECRET = re.compile(r"PASS(WORD|WD|PHRASE)?$")
GUESSED = {"admin", "changeme", "default", "docker", "example", "market", "mysecretpassword", "mydb", "password"}
GUESSED |= {"postgres", "root", "secret", "test", "user", "12345678", "123456789", "1234567890", "letmein", "qwerty"}
LEAST_CHARACTERS = 8
OURS = (
    "/etc/harvester",
    "/opt/harvester",
    "/run/docker.sock",
    "/run/containerd",
    "/var/lib/docker",
    "/root",
    "/etc/ssh",
)
"""With all that begins with /var/lib/harvester and /run/harvester: no container gets any, nor a folder above."""

SOURCES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "volumes": lambda volume: (volume.get("driver_opts") or {}).get("device"),
    "secrets": lambda secret: secret.get("file"),
    "configs": lambda config: config.get("file"),
}


def refuse(*sentences: str) -> None:
    sys.exit("\n".join(sentences))


def compose(release: Path, project: str, env: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Compose, as the unit calls it, on this release."""
    name = (release / COMPOSE).read_text("utf-8").strip()
    command = ["docker", "compose", "--ansi", "never", "--project-name", project, "--project-directory", str(release)]
    command += ["--env-file", str(env), "--file", str(release / name), "--file", str(release / PRODUCTION), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_files(release: Path) -> dict[str, str]:
    """Every file and link of a release by its path in it, apart from the marker."""
    paths = [Path(folder, name) for folder, folders, files in os.walk(release) for name in files + folders]
    files = [path for path in paths if path.is_symlink() or path.is_file()]
    return {str(path.relative_to(release)): digest(path) for path in files if path.name != COMPLETE}


def verify(release: Path) -> None:
    try:
        wanted, found = json.loads((release / COMPLETE).read_text("utf-8")), list_files(release)
    except (OSError, ValueError) as error:
        print(f"{release}: it cannot be read: {error}")
        sys.exit(DAMAGED)
    different = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if different:
        print(f"{release}: {len(different)} of its files are missing, changed or new: {', '.join(different[:3])}")
        sys.exit(DAMAGED)


def find_missing(release: Path, env: Path) -> Iterator[str]:
    """Of the variables without a default, those that the file of variables does not have."""
    known = {match[1] for line in env.read_text("utf-8").splitlines() if (match := KEY.match(line.strip()))}
    name, told = (release / COMPOSE).read_text("utf-8").strip(), set()
    for number, line in enumerate((release / name).read_text("utf-8").splitlines(), 1):
        for found in VARIABLE.finditer("" if line.lstrip().startswith("#") else line):
            key, kind = found[1] or found[3], found[2] or ""
            if key and key not in known | told and not kind.endswith(("-", "+")):
                told.add(key)
                yield f"{name}:{number}: ${{{key}}} has no value and no default. Add {key} to the variables."


def judge(services: dict[str, Any]) -> Iterator[str]:
    """A sentence for each thing of the whole project, as Compose reads it, that a server must not have."""
    for name, said in sorted(services.items()):
        for key in ("network_mode", "pid", "ipc", "uts"):
            if said.get(key) == "host":
                yield f"service {name} has {key}: host, which is outside its container. Take the line out."
        if said.get("privileged") or {"ALL", "SYS_ADMIN"} & set(said.get("cap_add") or ()):
            yield f"service {name} is privileged (or adds SYS_ADMIN or ALL), which is root on the host. Take that out."
        if said.get("restart") != "no":
            yield f'service {name} comes from an included file, and restarts by itself: give it restart: "no" there.'
        for port in said.get("ports") or ():
            if port.get("published") and port.get("host_ip") not in ("127.0.0.1", "::1"):
                where = f"127.0.0.1:{port['published']}"
                yield f"service {name} publishes port {port['published']} beyond the host: write {where}:..."
        for mount in said.get("volumes") or ():
            if mount.get("type") == "bind" and is_ours(mount.get("source", "")):
                yield f"service {name} mounts {mount['source']}, which containers must not see. Take that out."
        yield from judge_passwords(name, said.get("environment") or {})


def judge_sources(said: dict[str, Any]) -> Iterator[str]:
    """The same for volumes, secrets and configs of the project that are files or folders of the host by a name."""
    for section, find in SOURCES.items():
        for name, each in sorted((said.get(section) or {}).items()):
            if (source := find(each or {})) and is_ours(source):
                yield f"{section}: {name} is {source} of the host, which containers must not see. Take that out."


def is_ours(source: str) -> bool:
    """Whether a path of the host is one of those that no container gets, is above one, or below."""
    path = os.path.realpath(source)
    below = any(path == each or path.startswith(each + "/") for each in OURS)
    above = any(each.startswith(path.rstrip("/") + "/") for each in (*OURS, "/var/lib/harvester", "/run/harvester"))
    return below or above or path.startswith(("/var/lib/harvester", "/run/harvester"))


def judge_passwords(name: str, environment: dict[str, Any]) -> Iterator[str]:
    if environment.get("POSTGRES_HOST_AUTH_METHOD") == "trust":
        yield f"service {name} has POSTGRES_HOST_AUTH_METHOD: trust, so no password is asked for. Take the line out."
    names = {str(value).lower() for key, value in environment.items() if key.endswith(("USER", "_DB", "DATABASE"))}
    for key, value in sorted(environment.items()):
        if not SECRET.search(key):
            continue
        text = "" if value is None else str(value)
        if not text:
            yield f"service {name}: {key} is empty. Give it a value of {LEAST_CHARACTERS} characters at least."
        elif text.lower() in GUESSED | names or len(text) < LEAST_CHARACTERS:
            yield f"service {name}: {key} is a default or too short. Give it {LEAST_CHARACTERS} characters or more."


def find_taken(services: dict[str, Any]) -> Iterator[str]:
    """A sentence for each published port on which somebody else listens, as ss of iproute2 says."""
    for name, said in sorted(services.items()):
        for published in sorted({str(port["published"]) for port in said.get("ports") or () if port.get("published")}):
            words = ["ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes", f"sport = :{published}"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            # Docker's own are those of the release that runs; another application's go by their container.
            others = [line for line in done.stdout.splitlines() if line.strip() and "docker-proxy" not in line]
            if others:
                found = PROCESS.search(others[0])
                who = f"{found[1]} (process {found[2]})" if found else "another program"
                yield f"service {name}: port {published} of the host is taken by {who}. Stop that, or publish another."


def fetch_images(release: Path, project: str, env: Path, services: dict[str, Any]) -> None:
    """Build what is built, pull what is not here; the names are those that the unit starts with."""
    built = [name for name, said in services.items() if "build" in said]
    if built:
        done = compose(release, project, env, "build", "--quiet", *built)
        if done.returncode:
            refuse(f"The images of {', '.join(built)} cannot be built: {last_words(done)} Correct its Dockerfile.")
    for name, said in services.items():
        image = said.get("image")
        if name in built or not image:
            continue
        if not subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
            continue
        done = subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, text=True, check=False)
        if done.returncode:
            refuse(
                f"service {name}: the image {image} cannot be had: {last_words(done)} Is it spelled right, public, and"
                " reachable from the host on port 443?"
            )


def last_words(done: "subprocess.CompletedProcess[str]") -> str:
    lines = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
    return (" / ".join(lines[-3:]) or f"it ended with {done.returncode}").rstrip(". ") + "."


def prepare(release: Path, archive: Path, project: str, env: Path) -> None:
    os.umask(0o022)
    building = release.with_name(f".{release.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(building, filter="data")
    try:
        if missing := list(find_missing(building, env)):
            refuse(*missing)
        checked = compose(building, project, env, "config", "--quiet")
        if checked.returncode:
            refuse(f"Docker Compose refuses the project: {last_words(checked)}")
        said = json.loads(compose(building, project, env, "config", "--format", "json").stdout)
        services = said["services"]
        if refused := [*judge(services), *judge_sources(said), *find_taken(services)]:
            refuse(*refused)
        fetch_images(building, project, env, services)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    (building / COMPLETE).write_text(json.dumps(list_files(building), indent=0, sort_keys=True) + "\n", "utf-8")
    os.sync()
    if release.exists():
        aside = release.with_name(f".{release.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        release.rename(aside)
    building.rename(release)


def prune(releases: Path, project: str, keep: set[str]) -> None:
    """Prints what it removed, a line each."""
    for path in sorted(releases.iterdir()):
        if path.name in keep:
            continue
        listed = ["docker", "image", "ls", "--quiet", "--filter", f"reference={project}/*:{path.name}"]
        images = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()
        if images:
            subprocess.run(["docker", "image", "rm", *images], capture_output=True, check=False)
        shutil.rmtree(path)
        print(path.name)


def main() -> None:
    verb, *words = sys.argv[1:]
    if verb == "prepare":
        prepare(Path(words[0]), Path(words[1]), words[2], Path(words[3]))
    elif verb == "verify":
        verify(Path(words[0]))
    else:
        prune(Path(words[0]), words[1], set(words[2:]))


if __name__ == "__main__":
    main()
