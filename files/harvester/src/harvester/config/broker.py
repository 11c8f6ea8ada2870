"""Settings of the broker: where it is, and its limits."""

import re
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.validation import Model

API_URL, SCHWAB_URL = "https://api-t1.fyers.in", "https://api.schwabapi.com"
SCHWAB_PER_MINUTE = 120
"""Requests of market data an app may send (developer portal, Market Data Production)."""
FYERS_APP = re.compile(r"[A-Z0-9]{5,20}-[0-9]{3}\Z")
HttpsUrl = Annotated[str, Meta(pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?\Z")]
PositiveInt = Annotated[int, Meta(gt=0)]


class BrokerSettings(Model, frozen=True):
    """Where the broker is, as whom we call it, and how often it lets us."""

    app_id: Annotated[str, Meta(pattern=r"^([A-Z0-9]{5,20}-[0-9]{3}|[A-Za-z0-9]{16,64})\Z")]
    """App ID as the broker's API dashboard shows it, such as ABCDE12345-100; of Schwab the app key."""
    api_url: HttpsUrl = API_URL
    """Base URL of the REST API; https only. Of Schwab the default is https://api.schwabapi.com."""
    public_url: HttpsUrl = "https://public.fyers.in"
    """Base URL of the symbol master download; https only."""
    requests_per_second: PositiveInt = 10
    """The broker's limit per second over all calls (Fyers API docs, rate limits); of a fleet, this host's share."""
    requests_per_minute: PositiveInt = 200
    """The broker's limit per minute; more than three breaches a day block the account (600 on the paid plan)."""
    requests_per_day: PositiveInt = 100_000
    """The broker's limit per day."""
    kind: Literal["fyers", "schwab"] = "fyers"
    """The broker; of the market us it is schwab."""

    def __post_init__(self) -> None:
        if bool(FYERS_APP.match(self.app_id)) is (self.kind == "schwab"):
            form = "the app key of Schwab's portal" if self.kind == "schwab" else "an app ID such as ABCDE12345-100"
            raise ValueError(f"kind is {self.kind}, so app_id must be {form}")

    @property
    def url(self) -> str:
        """Base URL of the REST API, with the default of the broker's kind."""
        return SCHWAB_URL if self.kind == "schwab" and self.api_url == API_URL else self.api_url

    @property
    def per_minute(self) -> int:
        """Requests a minute: never more than the broker of this kind allows."""
        return min(self.requests_per_minute, SCHWAB_PER_MINUTE) if self.kind == "schwab" else self.requests_per_minute
