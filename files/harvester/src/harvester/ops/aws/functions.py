"""What Ansible's lambda module does not know: concurrency, where failures go, and a function's own URL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harvester.ops.aws.outcome import Clients, Outcome

URL_STATEMENTS: dict[str, dict[str, Any]] = {
    # Since late 2025 a public URL needs both: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    "public-url": {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    "public-url-invoke": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
}


def ensure_settings(clients: Clients, functions: Sequence[Mapping[str, Any]], *, dry: bool = False) -> Outcome:
    """Settle each function: {"name", "concurrency": reserved or None, "on_failure": ARN or None, "public_url": bool}.

    `values["urls"]` has the address of each public one. In a check a function that is not there yet counts as new.
    """
    client = clients.client("lambda")
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for function in functions:
        name = function["name"]
        found = _read(client, name)
        wanted = {key: function.get(key) for key in ("concurrency", "on_failure")}
        wanted["public_url"] = bool(function.get("public_url"))
        if found:
            before[name] = found
        after[name] = wanted
        if not dry:
            _write(client, name, found or {}, wanted)
    urls = {name: url for name in after if not dry and (url := _url(client, name))}
    return Outcome(before, after, {"urls": urls})


def _read(client: Any, name: str) -> dict[str, Any] | None:
    missing = client.exceptions.ResourceNotFoundException
    try:
        concurrency = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    except missing:
        return None
    try:
        destinations = client.get_function_event_invoke_config(FunctionName=name).get("DestinationConfig", {})
    except missing:
        destinations = {}
    return {
        "concurrency": concurrency or None,
        "on_failure": destinations.get("OnFailure", {}).get("Destination"),
        "public_url": _url(client, name) is not None and set(URL_STATEMENTS) <= _statements(client, name),
    }


def _write(client: Any, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if found.get("concurrency") != wanted["concurrency"]:
        if wanted["concurrency"]:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=wanted["concurrency"])
        else:
            client.delete_function_concurrency(FunctionName=name)
    if found.get("on_failure") != wanted["on_failure"]:
        if wanted["on_failure"]:
            client.put_function_event_invoke_config(
                FunctionName=name, DestinationConfig={"OnFailure": {"Destination": wanted["on_failure"]}}
            )
        else:
            client.delete_function_event_invoke_config(FunctionName=name)
    if found.get("public_url", False) != wanted["public_url"]:
        _publish(client, name) if wanted["public_url"] else _unpublish(client, name)


def _publish(client: Any, name: str) -> None:
    if _url(client, name) is None:
        client.create_function_url_config(FunctionName=name, AuthType="NONE")
    for statement in URL_STATEMENTS.keys() - _statements(client, name):
        client.add_permission(FunctionName=name, StatementId=statement, Principal="*", **URL_STATEMENTS[statement])


def _unpublish(client: Any, name: str) -> None:
    if _url(client, name) is not None:
        client.delete_function_url_config(FunctionName=name)
    for statement in URL_STATEMENTS.keys() & _statements(client, name):
        client.remove_permission(FunctionName=name, StatementId=statement)


def _url(client: Any, name: str) -> str | None:
    try:
        url: str = client.get_function_url_config(FunctionName=name)["FunctionUrl"]
    except client.exceptions.ResourceNotFoundException:
        return None
    return url


def _statements(client: Any, name: str) -> set[str]:
    try:
        policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return set()
    return {statement["Sid"] for statement in policy["Statement"]}
