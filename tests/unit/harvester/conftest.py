"""Fixtures of the harvester's unit tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.unit.harvester.broker import make_certificate

from harvester.redaction import forget_secrets


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of a broker on loopback; the certificate is its own CA."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The same, and this process trusts it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    return certificate


@pytest.fixture(autouse=True)
def nothing_kept_between_tests() -> Iterator[None]:
    """A test that configures logging or registers secrets leaves none of it to the next."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    forget_secrets()
