"""One run of a job: under its limit, proven where it says how, recorded, whatever becomes of it."""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.redaction import Secret, register_secret
from harvester.jobs.model import Job, Proof
from harvester.jobs.process import Ended, StoppedError, run
from harvester.jobs.records import Record, Records, Result, Running

log = structlog.get_logger()
PROOF_SECONDS = 60.0
INVOCATION, CREDENTIALS = "INVOCATION_ID", "CREDENTIALS_DIRECTORY"
KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    CREDENTIALS,
    INVOCATION,
    "HARVESTER_CONFIG",
    "HARVESTER_CALENDAR",
)
"""Of this process's environment, what a job gets."""


def run_job(job: Job, records: Records, clock: Clock, environment: Mapping[str, str] | None = None) -> Record:
    """Run it once. Raises HarvesterError, and runs nothing, while another process runs it.

    Raises OSError when the record cannot be written: the run has been made all the same.
    """
    environment = dict(os.environ if environment is None else environment)
    running = Running(job=job.name, began_ns=clock.wall_ns(), invocation=environment.get(INVOCATION, ""))
    trouble: OSError | None = None
    with ExitStack() as until_the_end:
        try:
            until_the_end.enter_context(records.alone())
            records.begin(running)
        except OSError as error:  # what the job does is worth more than its record
            log.error("record_not_begun", job=job.name, detail=str(error))
            trouble = error
        _learn_secrets(environment.get(CREDENTIALS))
        record = _run(job, running, clock, _environment_of(job, environment))
        records.append(record)
    if trouble:
        raise trouble
    return record


def _run(job: Job, running: Running, clock: Clock, environment: Mapping[str, str]) -> Record:
    directory = environment.get("HOME", "/tmp")  # noqa: S108  # a file system of the unit's own
    command = job.command or (sys.executable, "-m", "harvester", job.builtin or "", *job.arguments)
    try:
        ended = run(command, job.limit, environment, directory)
        if cause := _why_not(job, ended):
            return running.end(clock.wall_ns(), "timeout" if ended.timed_out else "failed", cause=cause)
        if job.proof is None:
            return running.end(clock.wall_ns(), "ok")
        result, words = prove(job.proof, running.began_ns, environment, directory)
    except StoppedError as stopped:
        return running.end(clock.wall_ns(), "interrupted", cause=f"it was told to stop ({stopped})")
    if result == "ok":
        return running.end(clock.wall_ns(), result, proof=words)
    return running.end(clock.wall_ns(), result, cause=words)


def _why_not(job: Job, ended: Ended) -> str:
    """Why a run is not well; empty: it is."""
    said = f": {' / '.join(ended.said)}" if ended.said else ""
    if ended.code is None:
        return ended.said[0]
    if ended.timed_out:
        how = ", and ignored SIGTERM, so it was killed" if ended.forced else ""
        return f"it did not end within {job.limit} s{how}{said}"
    if ended.code < 0:
        return f"it was ended by signal {-ended.code}{said}"
    return f"it ended with {ended.code}{said}" if ended.code else ""


def prove(proof: Proof, began_ns: int, environment: Mapping[str, str], directory: str) -> tuple[Result, str]:
    """Whether the work is done: ("ok", the proof in words), or ("unproven", why not). Raises StoppedError."""
    if proof.file is not None:
        return _prove_file(proof.file, began_ns)
    ended = run(proof.command, PROOF_SECONDS, environment, directory)
    if ended.code == 0:
        return "ok", ended.said[0] if ended.said else "its proof ended with 0"
    how = f"did not end within {PROOF_SECONDS:.0f} s" if ended.timed_out else f"ended with {ended.code}"
    return "unproven", f"it ended with 0, but its proof {how}{': ' if ended.said else ''}{' / '.join(ended.said)}"


def _prove_file(path: Path, began_ns: int) -> tuple[Result, str]:
    try:
        found = path.stat()
    except OSError as error:
        return "unproven", f"it ended with 0, but {path} cannot be seen: {error.strerror}"
    if not found.st_size:
        return "unproven", f"it ended with 0, but {path} is empty"
    # A file system may keep whole seconds.
    if found.st_mtime_ns < began_ns // NS_PER_SECOND * NS_PER_SECOND:
        return "unproven", f"it ended with 0, but {path} is from before the run"
    return "ok", f"{path}: {found.st_size} bytes"


def _environment_of(job: Job, own: Mapping[str, str]) -> dict[str, str]:
    own = {name: own[name] for name in KEPT if name in own}
    return own | dict(job.environment)


def _learn_secrets(folder: str | None) -> None:
    """Mask what the credentials hold in all that the job says. Raises nothing: the job itself meets what is missing."""
    for path in sorted(Path(folder).iterdir()) if folder and Path(folder).is_dir() else ():
        try:
            text = path.read_text(errors="replace")
        except OSError as error:
            log.warning("credential_unreadable", path=str(path), detail=error.strerror)
            continue
        for line in (text.strip(), *text.splitlines()):
            register_secret(Secret(line.strip()))
