"""What Ansible's lambda module does not know: logs, concurrency, where failures go, and a function's own URL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harvester.ops.aws.outcome import Clients, Outcome, with_tags

URL_STATEMENTS: dict[str, dict[str, Any]] = {
    # Since late 2025 a public URL needs both: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    "public-url": {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    "public-url-invoke": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
}


def ensure_settings(
    clients: Clients,
    functions: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    *,
    log_days: int,
    dry: bool = False,
) -> Outcome:
    """Settle each function and its log group.

    A function: {"name", "log_group", "concurrency": reserved or None, "on_failure": ARN or None, "public_url": bool}.
    `values["urls"]` has the address of each public one. In a check a function that is not there yet counts as new.
    """
    client, logs = clients.client("lambda"), clients.client("logs")
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for function in functions:
        name, group = function["name"], function["log_group"]
        found, kept = _read(client, name), read_log_group(logs, group)
        wanted = {key: function.get(key) for key in ("concurrency", "on_failure")}
        wanted["public_url"] = bool(function.get("public_url"))
        before |= {key: value for key, value in ((name, found), (group, kept)) if value is not None}
        after |= {name: wanted, group: {"days": log_days, "tags": with_tags(tags, kept["tags"] if kept else {})}}
        if not dry:
            _write(client, name, found or {}, wanted)
            _keep_logs(logs, group, kept, after[group])
    urls = {function["name"]: url for function in functions if not dry and (url := _url(client, function["name"]))}
    return Outcome(before, after, {"urls": urls})


def read_log_group(logs: Any, name: str) -> dict[str, Any] | None:
    """Days and tags of a log group, or None."""
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    found = [group for group in groups if group["logGroupName"] == name]
    if not found:
        return None
    tags = logs.list_tags_for_resource(resourceArn=found[0]["arn"].removesuffix(":*"))["tags"]
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return {"days": found[0].get("retentionInDays"), "tags": own}


def _keep_logs(logs: Any, name: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
    if found is None:
        logs.create_log_group(logGroupName=name, tags=wanted["tags"])
    elif found["tags"] != wanted["tags"]:
        arn = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["arn"].removesuffix(":*")
        logs.tag_resource(resourceArn=arn, tags=wanted["tags"])
    if (found or {}).get("days") != wanted["days"]:
        logs.put_retention_policy(logGroupName=name, retentionInDays=wanted["days"])


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
