"""Clients of AWS that answer as they are told, and keep what they were asked to do."""

from collections.abc import Iterator
from typing import Any


class Service:
    """A client of AWS that answers each operation as it is told, a listing in two pages, and keeps the calls."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.calls = answers, list[tuple[str, dict[str, Any]]]()

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append((operation, arguments))
            found = self.answers.get(operation, {})
            return found(**arguments) if callable(found) else found

        return call

    def get_waiter(self, name: str) -> Any:
        return type("Waiter", (), {"wait": lambda _, **arguments: self.calls.append((f"wait {name}", arguments))})()

    def get_paginator(self, operation: str) -> Any:
        def paginate(**arguments: Any) -> Iterator[dict[str, Any]]:
            found = self.answers[operation]
            for key, entries in (found(**arguments) if callable(found) else found).items():
                yield {key: entries[:1]}
                yield {key: entries[1:]}

        return type("Paginator", (), {"paginate": staticmethod(paginate)})


class Clients:
    region = "ap-south-1"

    def __init__(self, **services: Service) -> None:
        self.services = services

    def client(self, name: str, **_: Any) -> Any:
        return self.services[name]
