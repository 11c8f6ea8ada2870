"""What every `ensure_...` function returns: check mode and diff come from it, the same everywhere."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Clients(Protocol):
    """Gives boto3 clients by the name of the service, as Ansible's AWS modules and `session.Account` do."""

    def client(self, service: str, region: str | None = None) -> Any: ...


@dataclass(frozen=True)
class Outcome:
    """What was there and what is (or with `dry`: would be) there now; `values` are returned to Ansible."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return self.before != self.after


def as_tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most of AWS wants them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def as_tag_dict(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as a dictionary; those that AWS sets itself are left out."""
    return {tag["Key"]: tag["Value"] for tag in tags or () if not tag["Key"].startswith("aws:")}


def with_tags(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Ours over those that are there: tags that a person added are left alone."""
    return {**found, **wanted}


def pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    """Every item of a paginated answer."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, ())
