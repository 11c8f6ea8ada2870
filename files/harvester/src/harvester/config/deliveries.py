"""Settings of deliveries: tables taken to places of others, each in its layout."""

from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.validation import Model
from harvester.config.alerting import AwsRegion
from harvester.config.cloudwatch import EndpointUrl

S3_PLACE = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9_-]+/){0,5}\Z"


class DeliverySettings(Model, frozen=True):
    """A delivery, such as {name: price-feed, kind: price-feed, place: "s3://BUCKET/"}."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")]
    """What commands and receipts call it."""
    kind: Literal["price-feed"]
    """Layout: price-feed has the broker's candles as raw JSON and as csv.gz."""
    place: Annotated[str, Meta(pattern=S3_PLACE, max_length=200)]
    """Bucket, and what its keys begin with, ending in a slash; one host a place."""
    region: AwsRegion | None = None
    """AWS region of the bucket; default: the region of the environment."""
    endpoint_url: EndpointUrl | None = None
    """Another S3 service than Amazon's; default: $AWS_ENDPOINT_URL, else Amazon."""
    at: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")] = "16:00"
    """Market time from which on a day is delivered, once its bars have settled."""

    @property
    def bucket(self) -> str:
        return self.place.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        return self.place.removeprefix("s3://").partition("/")[2]


def refuse_shared_places(deliveries: tuple[DeliverySettings, ...]) -> None:
    """Raise ValueError where two have one name, or bring to one place."""
    for what, values in (("name", [each.name for each in deliveries]), ("place", [each.place for each in deliveries])):
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"deliveries: two have the {what} {twice[0]}; give each its own")
