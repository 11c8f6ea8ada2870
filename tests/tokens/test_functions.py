"""The functions as they are deployed: alone in an archive's folder, with exactly the rights of their policies."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from tests.tokens.conftest import PREFIX, REGION
from tests.tokens.pages import KEY

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.aws_names import Names
from harvester.base.clock import SystemClock
from harvester.base.redaction import Secret
from harvester.page.function import KEPT_NS, open_page
from harvester.tokens.login import Grant
from runbook.fleet.bundle import modules_of
from runbook.tokens.function_policies import statements

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "files" / "functions"
ACCOUNT = "123456789012"
NAMES = Names("lab")
TABLE = FUNCTIONS / "token_permissions.json"
MARKET = (
    "from datetime import datetime\n"
    "def session_at(now):\n"
    "    times = '2026-11-23T09:00:00+05:30', '2026-11-23T15:35:00+05:30', '2026-11-23T16:15:00+05:30'\n"
    "    return tuple(map(datetime.fromisoformat, times))\n"
    "opening_after = zone = None\n"
)
RUNNER = """
import json, sys
import boto3
calls = []
def note(params, model, **_):
    texts = {name: value for name, value in params.items() if isinstance(value, str)}
    calls.append([model.service_model.endpoint_prefix, model.name, texts])
old = boto3.client
def client(*a, **k):
    made = old(*a, **k)
    made.meta.events.register("provide-client-params.*.*", note)
    return made
boto3.client = client
module = __import__(sys.argv[1])
answers = []
for event in json.load(sys.stdin):
    try:
        answers.append(module.handler(event, None))
    except Exception as error:
        answers.append({"raised": f"{type(error).__name__}: {error}"})
foreign = sorted({"msgspec", "httpx", "structlog", "aiohttp", "fyers_apiv3", "numpy", "pyarrow"} & set(sys.modules))
print(json.dumps({"answers": answers, "calls": calls, "foreign": foreign}))
"""


@pytest.fixture
def stocked(ssm, aws: str, app: dict[str, str], exchange: Path) -> dict[str, str]:
    """An account with a topic, a queue behind it, and all secrets; the environment of the functions."""
    refresh = Tokens(StateDir(exchange), SystemClock()).mint_refresh_token()
    stored = {"app_secret": app["secret"], "page_key": KEY.get_secret_value(), "refresh_token": refresh}
    for secret, value in stored.items():
        ssm.put_parameter(Name=NAMES.parameter(secret), Value=value, Type="SecureString")
    boto3.client("secretsmanager").create_secret(Name=f"{PREFIX}/fyers/pin", SecretString=app["pin"])
    topic = boto3.client("sns").create_topic(Name=NAMES.topic)["TopicArn"]
    role = boto3.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = {"ZipFile": b"PK\x05\x06" + bytes(18)}
    lambdas = boto3.client("lambda")
    name = NAMES.function("token-page")
    lambdas.create_function(FunctionName=name, Runtime="python3.12", Role=role, Handler="x.handler", Code=code)
    lambdas.create_function_url_config(FunctionName=name, AuthType="NONE")
    return {
        "PREFIX": PREFIX,
        "APP_ID": app["app_id"],
        "ACCOUNT": app["user"],
        "ENVIRONMENT": NAMES.stem,
        "TOPIC": topic,
        "PAGE_FUNCTION": name,
        "REFRESH": "true",
    }


@pytest.fixture
def letters(stocked: dict[str, str]) -> Iterator[Any]:
    """What people get from the topic: a function that takes the messages from a queue behind it."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=stocked["TOPIC"], Protocol="sqs", Endpoint=arn)

    def take() -> list[str]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["Message"] for message in found]

    yield take


def invoke(
    tmp_path: Path,
    function: str,
    events: list[Any],
    environment: dict[str, str],
    beside: Mapping[str, bytes] = MappingProxyType({"market.py": MARKET.encode()}),
) -> dict[str, Any]:
    """Run a function from its archive's files alone, in a process of its own: answers, AWS calls, foreign modules."""
    folder = tmp_path / function
    source = FUNCTIONS / f"{function.replace('-', '_')}.py"
    for name, content in {**modules_of(source), source.name: source.read_bytes(), **beside}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    start = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['', {source.stem!r}]\n{RUNNER}"
    done = subprocess.run(
        [sys.executable, "-c", start],
        input=json.dumps(events),
        env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["log"] = "\n".join(done.stdout.splitlines()[:-1]) + done.stderr
    used = [line for line in done.stderr.splitlines() if "/src/harvester/" in line]
    assert used == [], "the archive's own modules are used, not the checkout's"
    return found


def arn(service: str, operation: str, params: dict[str, str]) -> str:
    """The resource that AWS judges a call by."""
    if service == "ssm":
        name = params.get("Name") or params["Path"].rstrip("/")
        return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"
    if service == "secretsmanager":
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{params['SecretId']}-AbCdEf"
    if service == "lambda":
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{params['FunctionName']}"
    return params["TopicArn"]


def may(function: str, action: str, resource: str, schwab: str = "") -> bool:
    """As AWS judges policies that only allow: by wildcards, and without conditions."""
    return any(
        action in statement["Action"] and any(fnmatchcase(resource, one) for one in statement["Resource"])
        for statement in statements(TABLE, function, NAMES, ACCOUNT, schwab=schwab)
    )


def check_rights(function: str, calls: list[Any], schwab: str = "") -> None:
    """Every call that was made is allowed to exactly this function's role."""
    assert calls
    for service, operation, params in calls:
        action = f"{service}:{operation}"
        assert may(function, action, arn(service, operation, params), schwab), f"{function} may not {action} {params}"


def test_the_reminder_asks_with_a_link_once_and_gives_the_all_clear(
    tmp_path: Path, stocked: dict[str, str], letters: Any, exchange: Path, ssm
) -> None:
    early = [{"now": f"2026-11-23T0{time}:00+05:30"} for time in ("7:55", "8:00", "8:05", "8:30")]
    asked = invoke(tmp_path, "reminder", early, stocked)

    assert [answer["sent"] for answer in asked["answers"]] == [[], ["no_token"], [], ["no_token"]]
    told = letters()
    assert len(told) == 2
    assert all("/login?l=" in text and "https://" in text for text in told)
    assert "?l=" not in asked["log"]

    token = Tokens(StateDir(exchange), SystemClock()).mint_access_token(30 * 86_400)
    ssm.put_parameter(Name=NAMES.parameter("access_token"), Value=token, Type="SecureString")
    cleared = invoke(
        tmp_path, "reminder", [{"now": f"2026-11-23T08:{minute}:00+05:30"} for minute in (35, 50)], stocked
    )

    assert [answer["sent"] for answer in cleared["answers"]] == [["token"], []]
    assert "The token is in place" in letters()[0]
    check_rights("reminder", asked["calls"] + cleared["calls"])
    assert asked["foreign"] == []


@pytest.mark.parametrize("missing", ["page key", "page", "key too short"])
def test_a_link_that_cannot_be_made_does_not_silence_the_reminder(
    tmp_path: Path, stocked: dict[str, str], letters: Any, ssm, missing: str
) -> None:
    if missing == "page":
        stocked["PAGE_FUNCTION"] = "not-there"
    elif missing == "page key":
        ssm.delete_parameter(Name=NAMES.parameter("page_key"))
    else:
        ssm.put_parameter(Name=NAMES.parameter("page_key"), Value="short", Type="SecureString", Overwrite=True)

    asked = invoke(tmp_path, "reminder", [{"now": "2026-11-23T08:00:00+05:30"}], stocked)

    assert asked["answers"] == [{"sent": ["no_token"]}], asked
    [text] = letters()
    assert "./inv token-push" in text and "?l=" not in text
    assert "no link: " in asked["log"]


def test_the_page_answers_function_urls_and_reads_nothing_for_strangers(
    tmp_path: Path, stocked: dict[str, str], reachable: dict[str, str]
) -> None:
    import time

    from tests.tokens.pages import event

    from harvester.page.links import LinkSigner

    link = LinkSigner(KEY, NAMES.stem).make_link(time.time_ns())
    unknown = [event(f"https://x.lambda-url.aws/{path}") for path in ("", "admin", "login", "callback")]
    asked = invoke(tmp_path, "token-page", unknown, stocked)
    assert {answer["statusCode"] for answer in asked["answers"]} == {404}
    assert asked["calls"] == []

    visits = [event(f"https://x.lambda-url.aws/login?l={text}") for text in (link, link[:-2])]
    done = invoke(tmp_path, "token-page", visits, stocked)

    assert [answer["statusCode"] for answer in done["answers"]] == [303, 403]
    assert "redirect_uri=https%3A%2F%2Fx.lambda-url.aws%2Fcallback" in done["answers"][0]["headers"]["Location"]
    assert "__Host-login=" in done["answers"][0]["cookies"][0] and "; Secure" in done["answers"][0]["cookies"][0]
    check_rights("token-page", done["calls"])
    assert done["foreign"] == []
    assert link not in done["log"]


def test_the_page_without_its_secrets_says_so_without_a_traceback(tmp_path: Path, aws: str, stocked, ssm) -> None:
    from tests.tokens.pages import event

    ssm.delete_parameter(Name=NAMES.parameter("page_key"))

    answer = invoke(tmp_path, "token-page", [event("https://x.aws/login?l=x")], stocked)["answers"][0]

    assert answer["statusCode"] == 503
    assert "token-push" in answer["body"]


def test_the_page_reads_its_secrets_again_after_five_minutes(
    stocked: dict[str, str], ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stocked.items():
        monkeypatch.setenv(name, value)
    moments = [KEPT_NS]
    monkeypatch.setattr(SystemClock, "mono_ns", lambda _: moments[-1])
    secrets = [open_page("kept.lambda-url.aws").app.secret]
    ssm.put_parameter(Name=NAMES.parameter("app_secret"), Value="rotated", Type="SecureString", Overwrite=True)

    for moment in (2 * KEPT_NS - 1, 2 * KEPT_NS):
        moments.append(moment)
        secrets.append(open_page("kept.lambda-url.aws").app.secret)

    assert [secret.get_secret_value() == "rotated" for secret in secrets] == [False, False, True]


@pytest.mark.parametrize("refreshes", ["true", "false", ""])
def test_the_page_keeps_a_refresh_token_only_where_the_refresh_is_switched_on(
    refreshes: str, stocked: dict[str, str], ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**stocked, "REFRESH": refreshes}.items():
        monkeypatch.setenv(name, value)

    open_page(f"refresh-{refreshes}.lambda-url.aws").keep(Grant(Secret("an access token"), Secret("a refresh token")))

    kept = ssm.get_parameter(Name=NAMES.parameter("refresh_token"), WithDecryption=True)["Parameter"]["Value"]
    assert (kept == "a refresh token") == (refreshes == "true")


def test_the_refresh_stores_a_token_and_tells_nobody(
    tmp_path: Path, stocked: dict[str, str], reachable: dict[str, str], letters: Any, ssm
) -> None:
    done = invoke(tmp_path, "token-refresh", [{}, {}], stocked)

    assert done["answers"] == [{"outcome": "renewed"}] * 2, done["log"]
    parameter = ssm.get_parameter(Name=NAMES.parameter("access_token"), WithDecryption=True)["Parameter"]
    assert parameter["Type"] == "SecureString" and parameter["Version"] == 2
    assert parameter["Value"] not in done["log"]
    assert letters() == []
    check_rights("token-refresh", done["calls"])
    assert done["foreign"] == []


def test_a_refused_refresh_asks_for_a_login_once(
    tmp_path: Path, stocked: dict[str, str], reachable: dict[str, str], letters: Any
) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=f"{PREFIX}/fyers/pin", SecretString="000000")

    done = invoke(tmp_path, "token-refresh", [{}, {}], stocked)

    assert done["answers"] == [{"outcome": "refused"}] * 2
    [told] = letters()
    assert "log in for today" in told and "/login?l=" in told
    check_rights("token-refresh", done["calls"])


@pytest.mark.parametrize(
    ("function", "action", "name"),
    [
        ("token-page", "ssm:GetParameter", "fyers/access-token"),
        ("token-page", "ssm:GetParameter", "fyers/pin"),
        ("token-page", "ssm:PutParameter", "fyers/app-secret"),
        ("token-page", "ssm:PutParameter", "token-page/signing-key"),
        ("token-page", "ssm:GetParametersByPath", ""),
        ("token-page", "ssm:DeleteParameter", "fyers/access-token"),
        ("token-refresh", "ssm:PutParameter", "fyers/refresh-token"),
        ("token-refresh", "ssm:GetParameter", "fyers/access-token"),
        ("reminder", "ssm:PutParameter", "fyers/access-token"),
        ("reminder", "ssm:GetParameter", "fyers/app-secret"),
        ("reminder", "ssm:GetParameter", "fyers/refresh-token"),
        ("reminder", "ssm:GetParameterHistory", "fyers/access-token"),
    ],
)
def test_what_a_function_must_not_do_it_may_not(function: str, action: str, name: str) -> None:
    assert not may(function, action, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PREFIX}/{name}".rstrip("/"))


def test_another_environment_and_other_services_are_out_of_reach() -> None:
    for function in ("token-page", "token-refresh", "reminder"):
        for other in ("production", "lab2"):
            place = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/alpha-harvester/{other}/fyers/access-token"
            assert not may(function, "ssm:PutParameter", place)
            assert not may(function, "ssm:GetParameter", place)
        for action in ("s3:GetObject", "iam:PassRole", "kms:Decrypt", "sts:AssumeRole", "lambda:InvokeFunction"):
            assert not may(function, action, "*")


def test_no_action_and_no_resource_is_a_wildcard() -> None:
    for function in json.loads(TABLE.read_bytes()):
        for statement in statements(TABLE, function, NAMES, ACCOUNT):
            assert all("*" not in action for action in statement["Action"])
            assert all(resource.startswith("arn:aws:") for resource in statement["Resource"])
            assert all("/token-page/used/" in one or one.endswith(":*") for one in statement["Resource"] if "*" in one)
