"""Talking to a running exchange: an HTTP client led through its proxy, and its control socket."""

import json
from pathlib import Path
from typing import Any

import httpx

from harvester.base.errors import HarvesterError

TIMEOUT_SECONDS = 10.0


def read_ready(state_dir: Path) -> dict[str, Any]:
    """What the running exchange says of itself. Raises HarvesterError when there is none."""
    path = Path(state_dir) / "ready.json"
    try:
        ready: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HarvesterError(
            f"{path}: no exchange is running on this state directory. Start one with `exchange serve --state"
            f" {state_dir}`."
        ) from error
    return ready


def open_client(state_dir: Path) -> httpx.Client:
    """A client for https://api-t1.fyers.in and the other hosts, as this exchange answers for them."""
    import ssl

    ready = read_ready(state_dir)
    context = ssl.create_default_context(cafile=ready["ca"])
    return httpx.Client(proxy=ready["proxy"], verify=context, timeout=TIMEOUT_SECONDS, trust_env=False)


def call_control(state_dir: Path, method: str, path: str, content: bytes | None = None) -> httpx.Response:
    """One request to the control socket. Raises HarvesterError when it cannot be reached or says no."""
    transport = httpx.HTTPTransport(uds=str(Path(state_dir).absolute() / "control.sock"))
    try:
        with httpx.Client(transport=transport, timeout=TIMEOUT_SECONDS) as client:
            response = client.request(method, f"http://control{path}", content=content)
    except httpx.HTTPError as error:
        raise HarvesterError(
            f"{state_dir}: the exchange's control socket does not answer. Is `exchange serve` running on"
            " this state directory, and does this user own it?"
        ) from error
    if response.is_error:
        raise HarvesterError(f"The exchange refuses: {response.json().get('error', response.text)}")
    return response
