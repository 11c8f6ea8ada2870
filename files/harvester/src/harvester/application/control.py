"""Start and stop the application's unit, and see whether it answers. Runs as root on its host."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from harvester.application.model import Application
from harvester.base.errors import HarvesterError
from harvester.health.systemd import SystemdError, look_at_units

TRIES, PAUSE_SECONDS, ANSWER_SECONDS = 3, 5.0, 5.0
SECONDS = 280
"""For systemctl: a start waits until the application is healthy; its job's limit is five minutes."""
LOOK = "./inv logs --application shows what it said."


def start(application: Application) -> None:
    """Returns when it is healthy, as its unit judges. Raises HarvesterError."""
    _systemctl("start", application.unit)


def stop(application: Application) -> None:
    """Returns when its containers are gone. Raises HarvesterError."""
    _systemctl("stop", application.unit)


def check(application: Application, *, pause: Callable[[float], None] = time.sleep) -> str:
    """A sentence where it is well. HarvesterError where it is not: with what was done about it.

    One that failed, or does not answer, is started again; one that was stopped is not.
    """
    state = _state(application.unit)
    if state == "inactive":
        raise HarvesterError(
            f"{application.unit} is stopped within its hours: it ended by itself, or somebody stopped it. ./inv start"
            " --application starts it."
        )
    if state in ("activating", "deactivating", "reloading"):
        return f"{application.unit} is {state}"
    trouble = "its unit has failed" if state == "failed" else _ask(application.health, pause)
    if not trouble:
        return f"{application.unit} is {state}{' and answers' if application.health else ''}"
    _systemctl("reset-failed", application.unit)
    _systemctl("restart", application.unit)
    raise HarvesterError(f"{application.unit}: {trouble}. It was restarted, and is well since. {LOOK}")


def _ask(address: str, pause: Callable[[float], None]) -> str:
    """Why it is not well, after three tries; empty where it is, or says so nowhere."""
    trouble = ""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for number in range(TRIES if address else 0):
        if number:
            pause(PAUSE_SECONDS)
        try:
            with opener.open(address, timeout=ANSWER_SECONDS):
                return ""
        except urllib.error.HTTPError as error:
            with error:
                trouble = f"{address} answers {error.code}"
        except OSError as error:
            trouble = f"{address} does not answer ({getattr(error, 'reason', None) or error})"
    return trouble


def _state(unit: str) -> str:
    try:
        return look_at_units([unit])[unit].active
    except SystemdError as error:
        raise HarvesterError(f"{unit}: {error}. Its state cannot be told without systemd: try again.") from error


def _systemctl(verb: str, unit: str) -> None:
    try:
        done = subprocess.run(["systemctl", verb, unit], capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise HarvesterError(f"systemctl {verb} {unit} did not end within {SECONDS} s. {LOOK}") from None
    except OSError as error:
        raise HarvesterError(f"{error.filename} does not start ({error.strerror}): is this a host?") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise HarvesterError(f"systemctl {verb} {unit}: {said} {LOOK}")
