"""Controller side of an application: release id, an archive of its files, and what a server adds to its compose file.

Reads options as JSON from standard input: cpus, memory, pids (of each service), services (of some), env_file. Prints
one JSON object: release, archive, compose, moved (ports that are put on 127.0.0.1), one_shot. What cannot work is
refused in a sentence each, with file and line, and nothing is written.
"""

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which Compose looks for them."""
PRODUCTION = ".production.yml"
LEFT_OUT = {".git", ".venv", "__pycache__", "node_modules", "backups"}
"""Folders that belong to no release; files named .env or .env.* are secrets, apart from .env.example."""
MOST_BYTES = 256 << 20
LOOPBACK = "127.0.0.1"
ID_LENGTH = 12
COMMIT = re.compile(r"[0-9a-f]{40}")
VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_]\w*)(:?[-?+])?|([A-Za-z_]\w*))")
KEY = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=")
PORT_PART = re.compile(r"\$\{[^}]*\}|\[[^\]]*\]")
"""What has colons of its own in a port: a variable with a default, an IPv6 address."""


class BuildError(Exception):
    """Says what is wrong, where, and what to do about it."""


class Replaced(list):  # type: ignore[type-arg]
    """A list that takes the place of the one in the user's file; Compose would add to it."""


yaml.SafeDumper.add_representer(
    Replaced, lambda dumper, value: dumper.represent_sequence("!override", list(value), flow_style=True)
)


def git_tree(repository: str, commit: str, cache: Path) -> Path:
    """A folder with the files of a commit, which git has checked."""
    if not COMMIT.fullmatch(commit):
        raise BuildError(f"application_commit {commit!r} is no whole commit id of 40 digits: a branch would move.")
    tree = cache / "commits" / commit
    if tree.is_dir():
        return tree
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        _git("init", "--quiet", scratch)
        _git("-C", scratch, "fetch", "--quiet", "--depth=1", repository, commit)
        _git("-C", scratch, "-c", "advice.detachedHead=false", "checkout", "--quiet", commit)
        Path(scratch).chmod(0o755)
        Path(scratch).rename(tree)
        Path(scratch).mkdir()  # for its own removal
    return tree


def _git(*words: str) -> None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise BuildError(
            f"git {' '.join(words)}: {done.stderr.strip()[-500:]} Correct application_repository or _commit."
        )


def project_files(source: Path) -> list[Path]:
    """The files and links of a release, sorted by path. Raises BuildError where they are too much for one."""
    found = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        paths = (
            Path(folder, name) for name in (*names, *(each for each in folders if Path(folder, each).is_symlink()))
        )
        found += [path for path in paths if not _is_secret(path.name) and not path.name.endswith(".pyc")]
    sizes = {path: path.lstat().st_size for path in found}
    if sum(sizes.values()) > MOST_BYTES:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        named = ", ".join(f"{path.relative_to(source)} ({sizes[path] >> 20} MiB)" for path in largest)
        raise BuildError(
            f"{source} has more than {MOST_BYTES >> 20} MiB. Move data out of it, the largest first: {named}."
        )
    return sorted(found)


def _is_secret(name: str) -> bool:
    return (name == ".env" or name.startswith(".env.")) and name != ".env.example"


def read_compose(source: Path) -> tuple[str, dict[str, Any]]:
    """The name of the compose file, and its services. Raises BuildError."""
    name = next((name for name in COMPOSE if (source / name).is_file()), None)
    if name is None:
        raise BuildError(
            f"{source} has no compose file ({', '.join(COMPOSE)}). application_source is the folder with it."
        )
    try:
        content = yaml.safe_load((source / name).read_text("utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BuildError(f"{name}:{line}: it cannot be read: {error.problem}. Correct it there.") from None
    except (OSError, ValueError) as error:
        raise BuildError(f"{source / name}: it cannot be read: {error}.") from None
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not services or not all(isinstance(each, dict) for each in services.values()):
        raise BuildError(f"{name}: it has no services. It must map `services` to one service at least.")
    return name, services


def variables(text: str) -> Iterator[tuple[int, str]]:
    """Line and name of each variable that a compose file needs: those without a default."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in VARIABLE.finditer("" if line.lstrip().startswith("#") else line):
            name, kind = found[1] or found[3], found[2] or ""
            if name and not kind.endswith(("-", "+")):
                yield number, name


def find_missing(compose: Path, env_file: Path | None) -> list[str]:
    """A sentence for each variable that is nowhere. Without a file they are asked for on the host."""
    if env_file is None:
        return []
    try:
        lines = env_file.read_text("utf-8").splitlines()
    except OSError as error:
        raise BuildError(f"application_env_file {env_file}: it cannot be read: {error.strerror}.") from None
    mode = env_file.stat().st_mode & 0o777
    if mode & 0o077:
        raise BuildError(
            f"{env_file} can be read by others (mode {mode:04o}), and it holds secrets: chmod 600 {env_file}"
        )
    known = {match[1] for line in lines if (match := KEY.match(line.strip()))}
    lacking: dict[str, int] = {}
    for number, name in variables(compose.read_text("utf-8")):
        if name not in known:
            lacking.setdefault(name, number)
    return [
        f"{compose.name}:{number}: ${{{name}}} is not in {env_file}, and has no default. Add {name}= to that file."
        for name, number in lacking.items()
    ]


def find_refused(name: str, services: dict[str, Any]) -> Iterator[str]:
    """A sentence for each service that would leave its container."""
    for service, said in services.items():
        if said.get("network_mode") == "host":
            yield (
                f"{name}: service {service} has network_mode: host, where it would reach the instance's credentials."
                " Take the line out; services reach each other by their names."
            )
        if said.get("privileged"):
            yield f"{name}: service {service} is privileged, which is root on the host. Take the line out."


def on_loopback(port: Any) -> Any:
    """A published port, at 127.0.0.1 alone; in the short form or the long one, as it was written."""
    if isinstance(port, dict):
        return {**port, "host_ip": LOOPBACK} if "published" in port else port
    # HOST:PORT:TARGET, PORT:TARGET or TARGET, which gets any free port of the host
    parts = PORT_PART.sub(lambda found: found[0].replace(":", "\0"), str(port)).split(":")
    published = parts[-2] if len(parts) > 1 else ""
    return ":".join([LOOPBACK, published, parts[-1]]).replace("\0", ":")


def production(services: dict[str, Any], options: dict[str, Any], release: str) -> tuple[dict[str, Any], list[str]]:
    """What a server adds to each service, and sentences of the ports that are moved.

    systemd restarts the whole, so Docker restarts nothing: it would do so at a boot outside the hours.
    """
    added: dict[str, Any] = {}
    moved: list[str] = []
    for name, said in services.items():
        limits = {**{key: options[key] for key in ("memory", "pids", "cpus")}, **options["services"].get(name, {})}
        mine: dict[str, Any] = {"restart": "no", "init": True}
        mine |= {"mem_limit": limits["memory"], "pids_limit": limits["pids"]}
        mine |= {"cpus": limits["cpus"]} if limits["cpus"] else {}
        journal = {"tag": "{{.Name}}", "labels": "com.docker.compose.project"}
        mine["logging"] = {"driver": "journald", "options": journal}
        ports = said.get("ports") or []
        safe = [on_loopback(port) for port in ports]
        if safe != ports:
            mine["ports"] = Replaced(safe)
            moved += [f"{name}: {was} is {now}" for was, now in zip(ports, safe, strict=True) if was != now]
        if "build" in said:
            mine["image"] = f"{options['project']}/{name}:{release}"
        added[name] = mine
    return {"services": added}, moved


def one_shots(services: dict[str, Any]) -> list[str]:
    """Services whose end others wait for, such as migrations: their end is not the application's."""
    found = {
        other
        for said in services.values()
        if isinstance(said.get("depends_on"), dict)
        for other, how in said["depends_on"].items()
        if isinstance(how, dict) and how.get("condition") == "service_completed_successfully"
    }
    return sorted(found)


def release_of(source: Path, paths: list[Path], options: dict[str, Any]) -> str:
    """Id of a release: the same files and the same options give the same id."""
    total = hashlib.sha256()
    for path in paths:
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        kind = "l" if path.is_symlink() else "x" if path.stat().st_mode & 0o100 else "f"
        for part in (str(path.relative_to(source)).encode(), kind.encode(), content):
            total.update(len(part).to_bytes(8, "big") + part)
    total.update(json.dumps(options, sort_keys=True).encode())
    total.update(Path(__file__).read_bytes())
    return total.hexdigest()[:ID_LENGTH]


def pack(source: Path, paths: list[Path], more: dict[str, str], target: Path) -> None:
    """A tar file that is the same for the same files, under its final name only when it is whole."""
    whole = {str(path.relative_to(source)): path for path in paths}
    with (
        tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as scratch,
        tarfile.open(fileobj=scratch, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in whole.items():
            if path.is_symlink():
                tar.addfile(tar.gettarinfo(path, name).replace(uid=0, gid=0, mtime=0, deep=False))
            else:
                _add(tar, name, path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
        for name, text in more.items():
            _add(tar, name, text.encode(), 0o644)
    Path(scratch.name).chmod(0o600)
    Path(scratch.name).rename(target)


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    """A file of root, whose time, in the first 30 years from 1970, stands for its content.

    Docker's builder takes a file of the same size and time for one that it has (BuildKit transfers what differs in
    these): with one time for all, an edit that keeps the size would get the image of before.
    """
    seconds = int.from_bytes(hashlib.sha256(content).digest()[:8]) % 1_000_000_000
    entry = tarfile.TarInfo(name).replace(mtime=seconds, mode=mode, deep=False)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def build(source: Path, cache: Path, options: dict[str, Any]) -> dict[str, Any]:
    if not source.is_dir():
        raise BuildError(
            f"application_source {source} is no folder. It is the one with the compose file, on this machine."
        )
    env_file = Path(options.pop("env_file")).expanduser() if options["env_file"] else options.pop("env_file") or None
    name, services = read_compose(source)
    unknown = sorted(set(options["services"]) - set(services))
    refused = [f"application_services names {each}, which is no service of {name}." for each in unknown]
    refused += [*find_refused(name, services), *find_missing(source / name, env_file)]
    if refused:
        raise BuildError("\n".join(refused))
    paths = project_files(source)
    release = release_of(source, paths, options)
    added, moved = production(services, options, release)
    waited_for = one_shots(services)
    archive = cache / f"{options['project']}-{release}.tar"
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        more = {PRODUCTION: yaml.safe_dump(added, sort_keys=False), ".compose": name + "\n"}
        pack(source, paths, more | ({".one-shot": "\n".join(waited_for) + "\n"} if waited_for else {}), archive)
    return {"release": release, "archive": str(archive), "compose": name, "moved": moved, "one_shot": waited_for}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--source", type=Path, help="folder with the compose file")
    where.add_argument("--repository", help="git repository; with --commit")
    parser.add_argument("--commit", default="", help="commit id of 40 digits")
    parser.add_argument("--cache", type=lambda text: Path(text).absolute(), required=True, help="where built ones are")
    given = parser.parse_args()
    options = json.load(sys.stdin)
    source = given.source.expanduser() if given.source else git_tree(given.repository, given.commit, given.cache)
    print(json.dumps(build(source.resolve(), given.cache, options)))


if __name__ == "__main__":
    try:
        main()
    except (BuildError, OSError) as error:
        sys.exit(str(error))
