"""Fixtures of the harvester's unit tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.recorder.bench import hand_over
from tests.recorder.broker import make_certificate
from tests.recorder.fakes import FakeClock, make_calendar, make_settings
from tests.recorder.minute import DAY, at

from harvester.config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a recorder whose day has the one window of tests.recorder.minute."""
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    return make_settings(tmp_path, calendar={"file": str(file)})


@pytest.fixture
def clock(settings: Settings) -> FakeClock:
    """Five seconds before the window's opening; a token has been handed over."""
    early = at(-5)
    hand_over(settings, early)
    return early


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
    """A test that configures logging leaves none of it to the next."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
