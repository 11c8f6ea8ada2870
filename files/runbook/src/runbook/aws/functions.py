"""What Ansible's lambda module does not know: logs, concurrency, where failures go, and a function's own URL."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harvester.base.aws_names import FUNCTIONS
from harvester.base.errors import ConfigError
from harvester.base.market import NSE
from runbook.aws.log_groups import keep_log_group, read_log_group
from runbook.aws.optional import can_reserve
from runbook.aws.outcome import Clients, Outcome, with_tags
from runbook.aws.price_feed import HOSTS, PLACE, SYMBOLS, feed_of
from runbook.fleet.calendar import MARKET

MORNING, EVENING = "morning", "evening"
PAGE, REFRESH, REMINDER = "token-page", "token-refresh", "reminder"
INGESTION, ETL, DOOR = "ingestion", "etl", "worker-door"
DOOR_WANTED = "aws_functions_worker_door"
"""The variable by which an environment has a door for reports of workers elsewhere."""
OF_HOSTS = {"dead-man", MORNING, EVENING}
OF_FEED = {INGESTION, ETL}
"""They have a price feed where the inventory names its symbols."""
NEED_ACCOUNT = {PAGE, REFRESH}
"""They keep the tokens of one account at the broker, and have to be told which."""
OF_FYERS = NEED_ACCOUNT | OF_FEED
"""They know one broker, that of the market nse."""
URL_STATEMENTS: dict[str, dict[str, Any]] = {
    # Since late 2025 a public URL needs both: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    "public-url": {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    "public-url-invoke": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
}
PUBLIC: dict[str, Any] = {"auth": "NONE", "statements": sorted(URL_STATEMENTS)}
PRIVATE: dict[str, Any] = {"auth": None, "statements": []}
NOT_RESERVED = (
    "No concurrency is reserved for the token page: the account may run too few functions at a time. The page works "
    "all the same; ask for more in the console under Service Quotas (Lambda, concurrent executions)."
)
ROLE_TRIES, ROLE_SECONDS = 7, 5.0
NOTHING = {"concurrency": None, "on_failure": None, "public_url": PRIVATE}


def chosen(
    named: Iterable[str],
    *,
    account: str,
    refresh: bool,
    feed: bool = False,
    hosts: bool = True,
    door: bool = False,
    market: str = NSE.name,
) -> list[str]:
    """The functions of an environment: those that are named, or without a name all that can work there.

    Those of Fyers can in the market nse alone, whatever else is said.
    The token page needs the `account` at the broker whose token it keeps; the refresh needs it too, and an account that
    still has that flow (`refresh`); ingestion and ETL need symbols of a price feed (`feed`); dead-man, morning and
    evening need `hosts`; the door for workers has to be wanted (`door`). ConfigError for a name that is none, and for
    one that lacks what it needs.
    """
    without_means = {REFRESH} if not refresh else set()
    for has, functions in ((account, NEED_ACCOUNT), (feed, OF_FEED), (hosts, OF_HOSTS), (door, {DOOR})):
        without_means |= set() if has else functions
    if market != NSE.name:
        without_means |= OF_FYERS
        _check_market(named, market, feed=feed)
    wanted = set(named) or set(FUNCTIONS) - without_means
    unknown = sorted(wanted - set(FUNCTIONS))
    if unknown:
        raise ConfigError(f"aws_functions_deployed: there is no function {unknown[0]}. Name of {', '.join(FUNCTIONS)}.")
    if DOOR in wanted and not door:
        raise ConfigError(
            f"aws_functions_deployed: {DOOR} is open to the whole world. Say {DOOR_WANTED}: true besides."
        )
    if not hosts and (idle := sorted(wanted & OF_HOSTS)):
        raise ConfigError(
            f"aws_functions_deployed: {' and '.join(idle)} see to hosts, and harvester_count is 0. Leave them out."
        )
    _check_company(wanted, account, feed=feed)
    return [name for name in FUNCTIONS if name in wanted]


def _check_company(wanted: set[str], account: str, *, feed: bool) -> None:
    """Raises ConfigError for functions that are of no use without another one, or without what they go by."""
    if EVENING in wanted and MORNING not in wanted:
        raise ConfigError(
            "aws_functions_deployed: evening stops the hosts, and without morning nothing starts them again. Name both."
        )
    if len(wanted & OF_FEED) == 1:
        raise ConfigError("aws_functions_deployed: ingestion and etl are of no use alone. Name both, or neither.")
    if wanted & OF_FEED and not feed:
        raise ConfigError(
            "aws_functions_deployed: ingestion and etl need to be told whose candles to bring. Name tickers in"
            " aws_functions_feed_symbols, or leave both out."
        )
    lacking = sorted(wanted & NEED_ACCOUNT)
    if lacking and not account:
        raise ConfigError(
            f"{' and '.join(lacking)}: whose login may be kept is not known. Name your client ID at the broker as "
            "broker_account in the inventory, or leave the function out of aws_functions_deployed."
        )


def _check_market(named: Iterable[str], market: str, *, feed: bool) -> None:
    """Raises ConfigError for what Fyers alone could do."""
    if of_fyers := sorted(set(named) & OF_FYERS):
        raise ConfigError(
            f"aws_functions_deployed: {' and '.join(of_fyers)} asks Fyers, which has no part in the market"
            f" {market}. Leave it out."
        )
    if feed:
        raise ConfigError(f"{SYMBOLS}: functions bring candles of the market nse alone. Name none.")


def deployed(variables: Mapping[str, Any]) -> list[str]:
    """The functions that an inventory has; of variables that it does not state, the feed is off and there are hosts."""
    account, refresh = str(variables.get("broker_account") or ""), bool(variables.get("broker_refresh"))
    place, of_hosts = str(variables.get(PLACE, "")), variables.get(HOSTS, ())
    feed = feed_of(variables.get(SYMBOLS, ()), place, of_hosts)
    named, hosts = variables["aws_functions_deployed"], bool(variables.get("aws_host_names", True))
    door, market = bool(variables.get(DOOR_WANTED)), str(variables.get(MARKET) or NSE.name)
    return chosen(named, account=account, refresh=refresh, feed=bool(feed), hosts=hosts, door=door, market=market)


def ensure_settings(
    clients: Clients,
    functions: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    *,
    log_days: int,
    absent: Sequence[str] = (),
    dry: bool = False,
) -> Outcome:
    """Settle each function and its log group; remove the functions named in `absent`, whose logs stay.

    A function: {"name", "log_group", "concurrency": reserved or None, "on_failure": ARN or None, "public_url": bool}.
    `values["urls"]` has the address of each public one, `values["left_out"]` says what this account cannot have.
    In a check a function that is not there yet counts as new.
    """
    client, logs = clients.client("lambda"), clients.client("logs")
    may_reserve = not any(function.get("concurrency") for function in functions) or can_reserve(clients)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for function in functions:
        name, group = function["name"], function["log_group"]
        found, kept = read_function(client, name), read_log_group(logs, group)
        wanted = {
            "concurrency": (function.get("concurrency") if may_reserve else (found or NOTHING)["concurrency"]) or None,
            "on_failure": function.get("on_failure"),
            "public_url": PUBLIC if function.get("public_url") else PRIVATE,
        }
        before |= {key: value for key, value in ((name, found), (group, kept)) if value is not None}
        after |= {name: wanted, group: {"days": log_days, "tags": with_tags(tags, kept["tags"] if kept else {})}}
        if not dry:
            _write(client, name, found or NOTHING, wanted)
            keep_log_group(logs, group, kept, after[group])
    for name in absent:
        if (found := read_function(client, name)) is not None:
            before[name] = found
            if not dry:
                client.delete_function(FunctionName=name)
    public = [function["name"] for function in functions if function.get("public_url")]
    urls = {name: found["FunctionUrl"] for name in public if not dry and (found := _url(client, name))}
    return Outcome(before, after, {"urls": urls, "left_out": [] if may_reserve else [NOT_RESERVED]})


def read_function(client: Any, name: str) -> dict[str, Any] | None:
    """Settings of a function as they are, or None when it is not there."""
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
        "public_url": {
            "auth": (_url(client, name) or {}).get("AuthType"),
            "statements": sorted(_statements(client, name)),
        },
    }


def _write(client: Any, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if found["concurrency"] != wanted["concurrency"]:
        if wanted["concurrency"]:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=wanted["concurrency"])
        else:
            client.delete_function_concurrency(FunctionName=name)
    if found["on_failure"] != wanted["on_failure"]:
        if wanted["on_failure"]:
            _send_failures(client, name, wanted["on_failure"])
        else:
            client.delete_function_event_invoke_config(FunctionName=name)
    if found["public_url"] != wanted["public_url"]:
        _open(client, name, found["public_url"], wanted["public_url"])


def _send_failures(client: Any, name: str, destination: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """AWS refuses a destination to which the function's role may not publish; what a new role may spreads by and by."""
    refused = client.exceptions.InvalidParameterValueException
    for tries_left in reversed(range(ROLE_TRIES)):
        try:
            client.put_function_event_invoke_config(
                FunctionName=name, DestinationConfig={"OnFailure": {"Destination": destination}}
            )
            return
        except refused:
            if not tries_left:
                raise
            sleep(ROLE_SECONDS)


def _open(client: Any, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Make or take the URL and its permissions; a URL that is there keeps its address."""
    if found["auth"] is None and wanted["auth"]:
        client.create_function_url_config(FunctionName=name, AuthType=wanted["auth"])
    elif wanted["auth"] is None and found["auth"]:
        client.delete_function_url_config(FunctionName=name)
    elif found["auth"] != wanted["auth"]:
        client.update_function_url_config(FunctionName=name, AuthType=wanted["auth"])
    for statement in set(wanted["statements"]) - set(found["statements"]):
        client.add_permission(FunctionName=name, StatementId=statement, Principal="*", **URL_STATEMENTS[statement])
    for statement in set(found["statements"]) - set(wanted["statements"]):
        client.remove_permission(FunctionName=name, StatementId=statement)


def _url(client: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get_function_url_config(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return None
    return found


def _statements(client: Any, name: str) -> set[str]:
    try:
        policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return set()
    return {statement["Sid"] for statement in policy["Statement"]}
