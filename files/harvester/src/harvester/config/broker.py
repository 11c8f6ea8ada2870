"""Settings of the broker: where it is, and its limits."""

from typing import Annotated

from msgspec import Meta

from harvester.base.validation import Model

API_URL = "https://api-t1.fyers.in"
HttpsUrl = Annotated[str, Meta(pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?\Z")]
PositiveInt = Annotated[int, Meta(gt=0)]


class BrokerSettings(Model, frozen=True):
    """Where the broker is, as whom we call it, and how often it lets us."""

    app_id: Annotated[str, Meta(pattern=r"^[A-Z0-9]{5,20}-[0-9]{3}\Z")]
    """App ID as the broker's API dashboard shows it, such as ABCDE12345-100."""
    api_url: HttpsUrl = API_URL
    """Base URL of the REST API; https only."""
    public_url: HttpsUrl = "https://public.fyers.in"
    """Base URL of the symbol master download; https only."""
    requests_per_second: PositiveInt = 10
    """The broker's limit per second over all calls (Fyers API docs, rate limits); of a fleet, this host's share."""
    requests_per_minute: PositiveInt = 200
    """The broker's limit per minute; more than three breaches a day block the account (600 on the paid plan)."""
    requests_per_day: PositiveInt = 100_000
    """The broker's limit per day."""
