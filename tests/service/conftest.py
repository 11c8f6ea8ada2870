"""Fixtures of the service's tests; they live beside those of the units."""

from tests.recorder.conftest import certificate

__all__ = ["certificate"]
