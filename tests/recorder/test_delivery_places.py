"""Two deliveries never bring to one place: a bucket with its prefix, or a table of one database."""

from typing import Any

import pytest

from harvester.base.validation import validate
from harvester.config.deliveries import DeliverySettings, refuse_shared_places

ONE, OTHER = "file:/etc/harvester/one", "ssm:/h/other"


def rows(name: str, place: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "postgres", "place": place, **more}


def files(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "kind": "price-feed", "place": place}


@pytest.mark.parametrize(
    ("deliveries", "says"),
    [
        ([files("a", "s3://bucket/"), files("b", "s3://bucket/x/"), files("c", "s3://other/")], ""),
        ([files("a", "s3://bucket/x/"), files("b", "s3://bucket/x/")], "the place s3://bucket/x/"),
        ([files("a", "s3://bucket/"), files("a", "s3://other/")], "the name a"),
        ([rows("a", ONE), rows("b", OTHER)], ""),
        ([rows("a", ONE), rows("b", ONE)], f"the place {ONE} "),
        ([rows("a", ONE), files("b", "s3://bucket/")], ""),
        ([rows("a", ONE, live=True), rows("b", OTHER, live=True)], "two are live"),
        ([rows("a", ONE, live=True), rows("b", OTHER)], ""),
    ],
)
def test_two_deliveries_share_neither_name_nor_place(deliveries: list[dict[str, Any]], says: str) -> None:
    """The same tables in two databases are two places: a copy of a database is no mistake."""
    known = tuple(validate(DeliverySettings, each) for each in deliveries)
    if not says:
        refuse_shared_places(known)
        return
    with pytest.raises(ValueError, match="deliveries: two") as refused:
        refuse_shared_places(known)
    assert says in str(refused.value)
