"""The example application as the lab runs it, and its images, which no registry gives there."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from lab.base.mirrors import find_archive
from lab.base.suites import find_suite
from lab.state import cache_folder

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "files/example-app"
CERTIFICATES = "/srv/broker"
"""On the host; the exchange's certificate is there."""
ENTRYPOINT = Path(__file__).with_name("docker-entrypoint.sh")
PACKAGES = "ca-certificates,python3,python3-psycopg,postgresql-17,gosu,tzdata"
LEFT_OUT = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/lib/*/libLLVM*", "/usr/lib/*/libz3.so*"),
    *("/usr/lib/postgresql/*/lib/bitcode/*", "/usr/lib/postgresql/*/lib/llvmjit*"),
)
PATH = "/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IMPORT = (
    f"docker import -c 'ENV PGDATA=/var/lib/postgresql/data PATH={PATH}' -c 'VOLUME /var/lib/postgresql/data'"
    """ -c 'ENTRYPOINT ["docker-entrypoint.sh"]' -c 'CMD ["postgres"]' - postgres:17"""
)
BASE = r"""printf 'FROM postgres:17\nENTRYPOINT []\nCMD ["bash"]\n' | docker build -q -t debian:trixie-slim -"""


def copy_example(folder: Path, broker: str) -> Path:
    """The example with what the lab's network needs: the broker's address, and whose certificates count."""
    target = folder / "market-app"
    shutil.copytree(EXAMPLE, target)
    content: dict[str, Any] = yaml.safe_load((target / "docker-compose.yml").read_text("utf-8"))
    app = content["services"]["app"]
    app["extra_hosts"] = [f"api-t1.fyers.in:{broker}"]
    app["environment"]["SSL_CERT_FILE"] = f"{CERTIFICATES}/ca.pem"
    app["volumes"] = [f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    (target / "docker-compose.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return target


def write_variables(path: Path, **values: str) -> Path:
    """A file of variables in single quotes, for its owner alone."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()), encoding="utf-8")
    return path


def provide_image() -> Path:
    """A tar file with PostgreSQL 17 and Python, made once: `postgres:17` and `debian:trixie-slim` of the lab."""
    target = cache_folder() / "images" / "postgres-17-python.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"unfinished-{target.name}")
    unfinished.unlink(missing_ok=True)
    options = ["--variant=minbase", "--mode=root", '--aptopt=APT::Install-Recommends "false"', f"--include={PACKAGES}"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    options += [f"--customize-hook=copy-in {ENTRYPOINT} /usr/local/bin"]
    command = ["mmdebstrap", *options, "trixie", str(unfinished), find_archive(find_suite("trixie")).main]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return unfinished.rename(target)
