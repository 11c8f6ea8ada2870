"""The stand-in as slow as AWS: each call takes its time, and what is new is not usable at once.

Switched on by LATENCIES, which names a file; each wait is noted there as a line of JSON: {"what", "from", "to"} in
seconds since the epoch. A state's wait begins when somebody first asks for it, or is refused.
"""

import json
import threading
import time
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from lab.aws.latency import STATES, State, of_call

LATENCIES = "LAB_AWS_LATENCIES"
"""Environment: the file that waits are noted in."""
SAME_PROCESS_SECONDS = 0.5
"""Between two calls of one process it does little; a new process takes longer to its first."""


class Waits:
    """Which states of which things have not come yet, and the notes of who waited for them."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._due: dict[tuple[State, str], float] = {}
        self._asked: set[tuple[State, str]] = set()

    def begin(self, state: State, thing: str, *, after: float = 0.0) -> float:
        """The state comes its time from now, or `after` seconds later; when that is."""
        due = self._due[state, thing] = time.time() + after + STATES[state].seconds
        return due

    def has_come(self, state: State, thing: str) -> bool:
        """Whether the state has come by now."""
        return time.time() >= self._due.get((state, thing), 0.0)

    def is_over(self, state: State, thing: str) -> bool:
        """The same, of somebody who waits for it."""
        now, key = time.time(), (state, thing)
        due = self._due.get(key, 0.0)
        if now >= due:
            return True
        with self._lock:
            is_first = key not in self._asked
            self._asked.add(key)
        if is_first:
            self.note(STATES[state].what, now, due)
        return False

    def note(self, what: str, since: float, until: float) -> None:
        """Write down one wait."""
        line = json.dumps({"what": what, "from": since, "to": until})
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def operation(environ: dict[str, Any]) -> tuple[str, str, int]:
    """Service, action and bytes of a request; where paths name the actions, the method and the end of the path."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
    service = scope[3] if len(scope) > 3 else "unsigned"
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, target.rpartition(".")[2], size
    if "form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        body = environ["wsgi.input"].read(size)
        environ["wsgi.input"] = BytesIO(body)
        return service, parse_qs(body.decode()).get("Action", [""])[0], size
    path = environ["PATH_INFO"]
    if "/operation/" in path:
        return service, path.rpartition("/")[2], size
    return service, f"{environ['REQUEST_METHOD']} /{path.rstrip('/').rpartition('/')[2]}", size


def add_delays(application: Any, waits: Waits) -> None:
    """Let each call to the application take its time, and note it.

    The server here closes each connection, where AWS keeps it for the next call of the same process: so a handshake
    counts only where a service was not called for a moment.
    """
    serve, last = application.__call__, dict[str, float]()

    def call(self: Any, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        service, action, size = operation(environ)
        began = time.time()
        is_new = began - last.get(service, 0.0) > SAME_PROCESS_SECONDS
        time.sleep(of_call(service, action, new_connection=is_new, body_bytes=size))
        last[service] = time.time()
        waits.note(f"call {service} {action}", began, last[service])
        answer: Iterable[bytes] = serve(self, environ, start)
        return answer

    application.__call__ = call


def let_roles_spread(waits: Waits) -> None:
    """A role cannot be assumed at once, nor a profile be put on a host, nor a policy be relied on."""
    from moto.awslambda.exceptions import InvalidParameterValueException
    from moto.awslambda.models import LambdaBackend
    from moto.iam.models import IAMBackend

    create_role, add_role = IAMBackend.create_role, IAMBackend.add_role_to_instance_profile
    create_function = LambdaBackend.create_function

    def create_role_slowly(backend: Any, role_name: str, *arguments: Any, **named: Any) -> Any:
        made = create_role(backend, role_name, *arguments, **named)
        waits.begin("role", role_name)
        return made

    def add_role_slowly(backend: Any, profile_name: str, role_name: str) -> None:
        add_role(backend, profile_name, role_name)
        waits.begin("profile", profile_name)

    def create_function_by_role(backend: Any, spec: dict[str, Any]) -> Any:
        if not waits.is_over("role", spec["Role"].rpartition("/")[2]):
            raise InvalidParameterValueException("The role defined for the function cannot be assumed by Lambda.")
        made = create_function(backend, spec)
        waits.begin("active", made.function_name)
        return made

    IAMBackend.create_role = create_role_slowly  # type: ignore[method-assign, assignment]
    IAMBackend.add_role_to_instance_profile = add_role_slowly  # type: ignore[method-assign, assignment]
    LambdaBackend.create_function = create_function_by_role  # type: ignore[method-assign, assignment]


def let_functions_settle(waits: Waits) -> None:
    """A function that is new is pending: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html"""
    from moto.awslambda.models import LambdaFunction

    settings = LambdaFunction.get_configuration

    def settings_by_now(function: Any, on_create: bool = False) -> dict[str, Any]:
        found = settings(function, on_create)
        return found if waits.is_over("active", function.function_name) else {**found, "State": "Pending"}

    LambdaFunction.get_configuration = settings_by_now  # type: ignore[method-assign, assignment]
