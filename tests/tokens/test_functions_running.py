"""The functions in an emulator that runs them: as deployed, behind a public address, and with alarms that go off."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from tests.conftest import Figure
from tests.exchanges import serving
from tests.tokens.conftest import AWS, PREFIX, REGION
from tests.tokens.pages import KEY, Phone

from exchange.state import App
from harvester.base.aws_names import NAMESPACE, Names
from harvester.calendar import TradingCalendar
from runbook.aws.alarms import ensure_alarms
from runbook.aws.archives import build
from runbook.aws.functions import ensure_settings
from runbook.aws.session import Account

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names("lab")
CALENDAR = TradingCalendar.load()
TODAY = next(  # CloudWatch, and so its emulator, forgets what is older than two weeks
    day
    for day in (CALENDAR.trading_date(time.time_ns()) - timedelta(days=back) for back in range(1, 13))
    if (session := CALENDAR.session(day)) and session.kind == "ordinary"
)
HOST = "alpha-harvester-lab-1"
READY_SECONDS = 30
EMULATOR = {
    **AWS,
    "BIND_HOST": "127.0.0.1",
    "MINISTACK_ACCOUNT_ID": "123456789012",
    "MINISTACK_REGION": REGION,
    "LAMBDA_EXECUTOR": "local",
    "LOG_LEVEL": "WARNING",
}


class Deployed(NamedTuple):
    """What is up: the emulator's address, the token page's name, the exchange and its app, the topic's queue."""

    address: str
    page: str
    exchange: Path
    app: App
    queue: str

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the function's URL, and put the answer into the form of a function's."""
        about = request["requestContext"]
        query = request["rawQueryString"]
        answer = httpx.request(
            about["http"]["method"],
            f"{self.address}{request['rawPath']}{'?' + query if query else ''}",
            headers={"Host": about["domainName"], "Cookie": "; ".join(request["cookies"])},
            trust_env=False,
            timeout=60,
        )
        return {
            "statusCode": answer.status_code,
            "headers": answer.headers,
            "cookies": answer.headers.get_list("set-cookie"),
            "body": answer.text,
        }

    def call(self, function: str, event: dict[str, Any]) -> Any:
        """Run a function as its schedule does; what it returned."""
        answer = boto3.client("lambda").invoke(FunctionName=NAMES.function(function), Payload=json.dumps(event))
        said = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, said
        return json.loads(said)

    def letters(self) -> list[str]:
        """What the topic's subscriber got since the last call."""
        sqs = boto3.client("sqs")
        found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"])["Message"] for message in found]

    def logs(self, function: str) -> str:
        """All that the function's log group holds."""
        group = NAMES.function_log_group(function)
        return "\n".join(
            event["message"]
            for page in boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
            for event in page["events"]
        )


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator as a process of its own; this process's clients lead to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    place = tmp_path_factory.mktemp("ministack")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FYERS_"))}
    variables |= {**EMULATOR, "GATEWAY_PORT": port, "AWS_ENDPOINT_URL": address, "TMPDIR": str(place)}
    command = [sys.executable, "-m", "ministack"]
    with (
        (place / "log").open("w") as log,
        subprocess.Popen(command, env=variables, stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not _answers(address):
                assert process.poll() is None and time.monotonic() < deadline, (place / "log").read_text()[-2000:]
                time.sleep(0.1)
            with pytest.MonkeyPatch.context() as patch:
                for name, value in {**AWS, "AWS_ENDPOINT_URL": address}.items():
                    patch.setenv(name, value)
                patch.delenv("AWS_PROFILE", raising=False)
                boto3.setup_default_session(region_name=REGION)
                yield address
                boto3.DEFAULT_SESSION = None
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/_ministack/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def deployed(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The functions from their archives, settled by the code of the role, and a broker whose app knows the page."""
    archives = build(ROOT / "files" / "functions", tmp_path_factory.mktemp("zip"), [CALENDAR], TODAY)
    topic = boto3.client("sns").create_topic(Name=NAMES.topic)["TopicArn"]
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    role = boto3.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    names = ("token-page", "reminder", "dead-man")
    for name in names:
        boto3.client("lambda").create_function(
            FunctionName=NAMES.function(name),
            Runtime="python3.12",
            Role=role,
            Handler=f"{name.replace('-', '_')}.handler",
            Code={"ZipFile": archives[name].read_bytes()},
            Timeout=60,
        )
    settings = [
        {"name": NAMES.function(name), "log_group": NAMES.function_log_group(name), "public_url": name == "token-page"}
        for name in names
    ]
    urls = ensure_settings(Account(REGION), settings, NAMES.tags, log_days=30).values["urls"]
    page = urlsplit(urls[NAMES.function("token-page")]).netloc
    state = tmp_path_factory.mktemp("exchange")
    app = replace(App.invent(), redirect_uri=f"https://{page}/callback")
    (state / "app.json").touch(mode=0o600)
    (state / "app.json").write_text(json.dumps(asdict(app)), encoding="utf-8")
    with serving(state, "--rate-limits", "none") as ready:
        ways = {"HTTPS_PROXY": ready["proxy"], "NO_PROXY": "127.0.0.1,localhost", "SSL_CERT_FILE": ready["ca"]}
        tokens = {"PREFIX": PREFIX, "ENVIRONMENT": NAMES.stem, "TOPIC": topic, "REFRESH": "false"}
        tokens |= {"APP_ID": app.app_id, "ACCOUNT": app.user, "PAGE_FUNCTION": NAMES.function("token-page")}
        watch = {"ENVIRONMENT": NAMES.stem, "NAMESPACE": NAMESPACE, "HOSTS": HOST}
        for name, own in {"token-page": tokens | ways, "reminder": tokens, "dead-man": watch}.items():
            boto3.client("lambda").update_function_configuration(
                FunctionName=NAMES.function(name), Environment={"Variables": own}
            )
        ssm = boto3.client("ssm")
        for secret, value in {"app_secret": app.secret, "page_key": KEY.get_secret_value()}.items():
            ssm.put_parameter(Name=NAMES.parameter(secret), Value=value, Type="SecureString")
        yield Deployed(emulator, page, state, app, queue)


def stored_token() -> dict[str, Any]:
    found = boto3.client("ssm").get_parameter(Name=NAMES.parameter("access_token"), WithDecryption=True)
    parameter: dict[str, Any] = found["Parameter"]
    return parameter


def test_a_reminder_leads_over_one_login_to_a_stored_token(deployed: Deployed, figure: Figure) -> None:
    assert deployed.call("reminder", {"now": f"{TODAY}T08:00:00+05:30"}) == {"sent": ["no_token"]}
    [letter] = deployed.letters()
    link = re.search(r"https://\S+", letter)
    assert link and urlsplit(link[0]).netloc == deployed.page

    phone = Phone(deployed.exchange, deployed.ask)
    began = time.monotonic()
    done = phone.log_in(link[0])
    figure("login_through_a_function_url_s", round(time.monotonic() - began, 2), bound="<= 15", unit="s")

    assert done["statusCode"] == 200, done["body"]
    assert done["headers"]["Cache-Control"] == "no-store"
    parameter = boto3.client("ssm").get_parameter(Name=NAMES.parameter("access_token"), WithDecryption=True)[
        "Parameter"
    ]
    assert (parameter["Type"], parameter["Version"]) == ("SecureString", 1)
    token = parameter["Value"]
    assert token.count(".") == 2 and token not in done["body"]

    again = phone.log_in(link[0])
    assert again["statusCode"] in (403, 409, 410), again["body"]
    assert stored_token()["Version"] == 1
    log = deployed.logs("token-page")
    assert "REPORT" in log
    for secret in (token, token.split(".")[2], deployed.app.secret, deployed.app.pin, KEY.get_secret_value()):
        assert secret not in log
    assert link[0].partition("?l=")[2] not in log


@pytest.mark.parametrize("path", ["/", "/admin", "/login", "/login?l=garbage", "/callback?state=x&auth_code=y"])
def test_strangers_at_the_public_address_get_nothing(deployed: Deployed, path: str) -> None:
    answer = httpx.get(f"{deployed.address}{path}", headers={"Host": deployed.page}, trust_env=False, timeout=60)

    assert answer.status_code in (400, 403, 404)
    assert "set-cookie" not in answer.headers and "location" not in answer.headers


def test_a_silent_host_raises_its_alarm_at_the_topic(deployed: Deployed) -> None:
    dimensions = [{"Name": "Environment", "Value": NAMES.stem}, {"Name": "Host", "Value": HOST}]
    name = f"{NAMES.stem}-silent"
    topic = boto3.client("sns").create_topic(Name=NAMES.topic)["TopicArn"]
    alarm = {
        "AlarmDescription": f"{HOST} is silent",
        "Namespace": NAMESPACE,
        "MetricName": "HostSilent",
        "Dimensions": dimensions,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "Period": 300,
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        "AlarmActions": [topic],
        "OKActions": [topic],
    }
    ensure_alarms(Account(REGION), NAMES.stem, {name: alarm}, NAMES.tags)
    deployed.letters()

    assert deployed.call("dead-man", {"now": f"{TODAY}T11:00:00+05:30"}) == {
        "session": True,
        "silent": [HOST],
        "idle": [],
    }

    metrics = boto3.client("cloudwatch").list_metrics(Namespace=NAMESPACE, MetricName="HostSilent")["Metrics"]
    assert [sorted(one["Dimensions"], key=lambda each: each["Name"]) for one in metrics] == [dimensions]
    boto3.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="the metric is 1")
    [letter] = deployed.letters()
    assert json.loads(letter)["NewStateValue"] == "ALARM"
