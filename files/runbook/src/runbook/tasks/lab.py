"""The lab on this machine and the demonstration in it, by the lab's own commands: the lab imports this package."""

import subprocess
import sys
from pathlib import Path

from invoke.context import Context

from runbook.fleet.inventory import program
from runbook.tasks.options import end, operator


@operator(
    hosts="how many hosts",
    suite="their userland: trixie, bookworm or noble (default: trixie)",
    aws="have site.yml provision an AWS account on the stand-in, too",
)
def lab_up(_: Context, hosts: int = 1, suite: str | None = None, aws: bool = False) -> None:
    """Boot the lab on this machine: hosts, local exchange and AWS stand-in (needs root)."""
    names = [argument for number in range(hosts) for argument in ("--name", f"h{number + 1}")]
    _lab("up", *names, *(["--suite", suite] if suite else []), *(["--aws"] if aws else []))


@operator()
def lab_down(_: Context) -> None:
    """Remove the lab and everything that it left."""
    _lab("down")


@operator(
    here="as ordinary processes, without a host and without Ansible: where root or namespaces are not to be had",
    down="take the lab down at the end",
    seconds="length of the trading session",
    summary="file to write the summary to, as JSON",
)
def demo(_: Context, here: bool = False, down: bool = False, seconds: int = 40, summary: str | None = None) -> None:
    """Build an AWS account on a stand-in and a host with site.yml, harvest a session, pull and verify it."""
    words = ["--seconds", str(seconds), *(["--here"] if here else []), *(["--down"] if down else [])]
    words += ["--summary", str(Path(summary).resolve())] if summary else []
    end(subprocess.run([sys.executable, "-m", "lab.demo", *words], check=False).returncode)


def _lab(*words: str) -> None:
    end(subprocess.run([program("lab"), *words], check=False).returncode)
