"""What a first-time user is asked, each with the check that is made at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.feeds import NSE_TICKER
from runbook.aws.allow import check_network
from runbook.aws.session import Account
from runbook.fleet.trouble import explain

APP_ID = re.compile(r"^[A-Z0-9]{8,12}-(100|200)\Z")
EMAIL = re.compile(r"^[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+\Z")
REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d\Z")
CONNECTIONS = ("ssh", "session-manager")
CLIENT_ID = re.compile(r"^[A-Z]{1,3}[A-Z0-9]{3,10}\Z")
LOOPBACK = "http://127.0.0.1:8080/"
"""Where token-push catches the login by itself."""
MOST_HOSTS = 50

Answers = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """What is asked, the answer that a plain Enter gives, and the check: ConfigError with what to write instead.

    What is not `asked` has its default, which is said, and may be given in a file of answers or in the inventory.
    """

    key: str
    text: str
    default: str
    check: Callable[[str, Answers], None]
    asked: bool = True

    def beside(self, answers: Answers) -> Callable[[str], None]:
        """The check of this answer beside those of the questions before it."""
        return lambda value: self.check(value, answers)


def check_profile(value: str, _: Answers) -> None:
    """The credentials work: AWS says whose they are."""
    try:
        Account(region="us-east-1", profile=value or None).client("sts").get_caller_identity()
    except HarvesterError:
        raise
    except Exception as error:
        raise ConfigError(explain(error, value)) from None


def check_region(value: str, answers: Answers) -> None:
    """The region exists and is switched on in the account."""
    if not REGION.match(value):
        raise ConfigError(f"{value!r} is not a region. Write it as ap-south-1, which is Mumbai, where the exchange is.")
    try:
        ec2 = Account(region=value, profile=answers.get("profile") or None).client("ec2")
        zones = ec2.describe_availability_zones()["AvailabilityZones"]
    except Exception as error:
        raise ConfigError(explain(error, answers.get("profile", ""))) from None
    if not zones:
        raise ConfigError(f"{value} has no zone for this account. Choose ap-south-1.")


def check_environment(value: str, _: Answers) -> None:
    Names(value)


def check_symbols(value: str, _: Answers) -> None:
    """Tickers by commas, none twice."""
    symbols = split(value)
    wrong = [symbol for symbol in symbols if not re.match(NSE_TICKER, symbol)]
    if wrong or not symbols:
        raise ConfigError(f"{', '.join(wrong) or 'nothing'} is no ticker. Write them as NSE:SBIN-EQ,NSE:INFY-EQ.")
    if len(set(symbols)) < len(symbols):
        twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        raise ConfigError(f"{', '.join(twice)} is there twice. Name each symbol once.")


def must(fits: Callable[[str], object], otherwise: str) -> Callable[[str, Answers], None]:
    """A check that refuses an answer that does not fit, with the words that follow it."""

    def check(value: str, _: Answers) -> None:
        if not fits(value):
            raise ConfigError(f"{value!r} is {otherwise}")

    return check


def check_source(value: str, answers: Answers) -> None:
    """Networks by commas, each of 65,536 IPv4 addresses or one site's IPv6 at most."""
    if answers.get("connection") == "session-manager" and not value:
        return
    if value != value.strip() or not split(value):
        raise ConfigError(f"{value!r} names no network. Write your public address as 203.0.113.7/32.")
    for network in split(value):
        check_network(network)


def check_client_id(value: str, _: Answers) -> None:
    """As the broker writes it, or none."""
    if value and not CLIENT_ID.match(value):
        raise ConfigError(f"{value!r} is no client ID. It is what you log in with at the broker, such as AB12345.")


def check_redirect(value: str, _: Answers) -> None:
    """An address that a browser can be sent to."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{value!r} is no address. Write the app's redirect address as the broker's API dashboard has it, such as "
            f"{LOOPBACK}."
        )


QUESTIONS = (
    Question("profile", "AWS profile (empty: what the environment gives)", "", check_profile),
    Question("region", "Region", "ap-south-1", check_region),
    Question("environment", "Name of this environment", "production", check_environment),
    Question("symbols", "Symbols, by commas", "NSE:SBIN-EQ,NSE:INFY-EQ", check_symbols),
    Question(
        "app_id",
        "App id at the broker (data permission alone)",
        "",
        must(APP_ID.match, "no app id. It is on the broker's API dashboard and ends in -100 or -200."),
    ),
    Question(
        "email",
        "E-mail address for alerts",
        "",
        must(EMAIL.match, "no e-mail address. Alerts and the budget go there."),
    ),
    Question(
        "cap_dollars",
        "Monthly cap in US dollars",
        "20",
        must(
            lambda text: text.isdigit() and int(text) > 0,
            "no number of US dollars. Write whole dollars a month, such as 20.",
        ),
    ),
    Question(
        "connection",
        "Connection: ssh, or session-manager (no open port)",
        "ssh",
        must(CONNECTIONS.__contains__, f"none of {' and '.join(CONNECTIONS)}."),
    ),
    Question("source", "Your network, which may reach port 22", "", check_source),
    Question(
        "hosts",
        "How many hosts",
        "1",
        must(
            lambda text: text.isdigit() and 1 <= int(text) <= MOST_HOSTS,
            "no number of hosts. One records thousands of symbols; write 1.",
        ),
    ),
    Question(
        "client_id", "Your client ID at the broker, for the login on your phone (empty: without)", "", check_client_id
    ),
    Question(
        "redirect_uri",
        "Redirect address of the app, as registered at the broker (broker_redirect_uri in the inventory)",
        LOOPBACK,
        check_redirect,
        asked=False,
    ),
)


def split(symbols: str) -> list[str]:
    """Tickers by commas or spaces; a space within a ticker, as those of some indices have, is followed by no colon."""
    return [symbol for symbol in re.split(r"\s*,\s*|\s+(?=[^\s,]*:)", symbols.strip()) if symbol]
