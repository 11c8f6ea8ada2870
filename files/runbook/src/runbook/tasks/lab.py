"""The lab on this machine, and the demonstration in it."""

import signal
import subprocess

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
    _run("up", *names, *(["--suite", suite] if suite else []), *(["--aws"] if aws else []))


@operator()
def lab_down(_: Context) -> None:
    """Remove the lab and everything that it left."""
    _run("down")


@operator(
    here="as ordinary processes, without a host and without Ansible: where root or namespaces are not to be had",
    down="take the lab down at the end",
    seconds="length of the trading session",
    summary="file to write the summary to, as JSON",
)
def demo(_: Context, here: bool = False, down: bool = False, seconds: int = 40, summary: str | None = None) -> None:
    """Build an AWS account on a stand-in and a host with site.yml, harvest a session, pull and verify it."""
    flags = [f"--{name}" for name, given in (("here", here), ("down", down)) if given]
    _run("demo", *flags, "--seconds", str(seconds), *(["--summary", summary] if summary else []))


def _run(*words: str) -> None:
    """Run the lab's own command to its end; this package does not import the lab, which imports it."""
    # The terminal interrupts the lab, too, which then tidies up; a program begins with the system's own handler.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.call([program("lab"), *words])
    finally:
        signal.signal(signal.SIGINT, before)
    end(code)
