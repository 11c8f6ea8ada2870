"""What the token functions find in their environment: names, never secrets, and the stores that those lead to.

PREFIX of the parameters, APP_ID, ACCOUNT that records, ENVIRONMENT, TOPIC of alerts, and where there are such:
PAGE_FUNCTION (the token page's name), API_URL of another broker than the live one, REFRESH, LOGIN (store of Schwab's).
"""

import importlib.util
import os
from functools import lru_cache

from harvester.alerts.channels import Sender, SnsChannel, parse_channels
from harvester.base.aws_names import USED_LINKS
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.redaction import Secret, redact
from harvester.page.links import LinkSigner
from harvester.page.once import Budget, SsmOnce
from harvester.page.service import Service, link_address
from harvester.tokens.aws_stores import open_client
from harvester.tokens.login import App, Grant
from harvester.tokens.places import open_place, place
from harvester.tokens.renewal import Stores
from harvester.tokens.stores import Store

API_URL = "https://api-t1.fyers.in"
CALLBACK_PATH = "/callback"
KEPT_NS = 300 * NS_PER_SECOND
WITHOUT_PAGE, AT_SCHWAB = "Log in: ./inv token-push", "Log in: ./inv token-push --broker schwab"


def setting(name: str) -> str:
    """One that must be there. Raises ConfigError."""
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError(f"This function's environment has no {name}; run site.yml again.")
    return value


def api_url() -> str:
    return os.environ.get("API_URL") or API_URL


def store(secret: str) -> Store:
    """The store of one of aws_names.SECRETS."""
    return open_place(place("ssm", setting("PREFIX"), secret))


def read(secret: str) -> Secret:
    """A secret that must be there. Raises ConfigError or StoreError."""
    kept = store(secret)
    stored = kept.read()
    if stored is None:
        raise ConfigError(f"{kept.place} does not exist. Store it: ./inv secret-put --name {secret.replace('_', '-')}.")
    return stored.value


def open_page(domain: str) -> Service:
    """The token page that is served under this name, which AWS gives it. Its secrets are read every five minutes."""
    return _open_page(domain, SystemClock().mono_ns() // KEPT_NS)


@lru_cache(maxsize=1)
def _open_page(domain: str, _: int) -> Service:
    return Service(
        app=App(setting("APP_ID"), read("app_secret"), f"https://{domain}{CALLBACK_PATH}"),
        account=setting("ACCOUNT"),
        api_url=api_url(),
        signer=LinkSigner(read("page_key"), setting("ENVIRONMENT")),
        once=SsmOnce(f"{setting('PREFIX')}/{USED_LINKS}"),
        keep=_keep,
        clock=SystemClock(),
        budget=_budget(),
        say=print,
    )


def remedy() -> str:
    """How to log in: the link of the day, where there is a token page; a message without it is better than none."""
    from botocore.exceptions import BotoCoreError, ClientError

    name = os.environ.get("PAGE_FUNCTION")
    if os.environ.get("LOGIN"):
        return AT_SCHWAB
    if not name:
        return WITHOUT_PAGE
    try:
        url = str(open_client("lambda", None).get_function_url_config(FunctionName=name)["FunctionUrl"])
        link = link_address(url, LinkSigner(read("page_key"), setting("ENVIRONMENT")), SystemClock().wall_ns())
    except (HarvesterError, BotoCoreError, ClientError) as error:
        print(redact(f"no link: {error}"))
        return f"{WITHOUT_PAGE} (the page's link could not be made; the function's log says why)"
    return f"Log in: {link}"


def channels() -> list[Sender]:
    """The topic, and what is stored as channels where this archive carries apprise and they can be read."""
    found: list[Sender] = [SnsChannel(setting("TOPIC"))]
    if not importlib.util.find_spec("apprise"):
        return found
    try:
        stored = store("channels").read()
        return found + (parse_channels(stored.value) if stored else [])
    except HarvesterError as error:
        print(redact(f"only the topic is told: {error}"))
        return found


def renewal_stores() -> Stores:
    """The parts of the automatic refresh."""
    return Stores(
        store("access_token"), store("refresh_token"), store("pin"), store("app_secret"), store("refresh_state")
    )


def _keep(grant: Grant) -> str:
    version = store("access_token").write(grant.access_token)
    if os.environ.get("REFRESH") == "true" and grant.refresh_token:
        store("refresh_token").write(grant.refresh_token)
    return version


@lru_cache(maxsize=1)
def _budget() -> Budget:
    """One for as long as this copy of the function lives."""
    return Budget()
