"""No secret leaves in a log line, whatever surrounds it and however it is logged."""

import contextlib
import io
import logging
import string
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.base.logs import configure_logs
from harvester.base.redaction import MIN_LENGTH, Secret, forget_secrets, one_line, redact, register_secret

secrets = st.text(string.ascii_letters + string.digits + "._-/+=\"'\\ ", min_size=MIN_LENGTH, max_size=60).filter(
    lambda text: len(text.strip()) >= MIN_LENGTH and len(set(text)) > 3
)
words = st.text(max_size=40)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    forget_secrets()
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


@given(st.lists(secrets, min_size=1, max_size=4), words, words)
def test_no_registered_value_survives(values: list[str], before: str, after: str) -> None:
    forget_secrets()
    for value in values:
        register_secret(Secret(value))

    cleaned = redact(before + values[0] + after)

    assert not any(value in cleaned for value in values if value not in "[redacted]")


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(secrets, words, st.sampled_from(("event", "key", "nested", "exception", "library")))
def test_no_log_line_shows_a_secret(value: str, around: str, way: str) -> None:
    forget_secrets()
    register_secret(Secret(value))
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        configure_logs(debug=True)
        speak(way, around + value + around, value)

    assert value not in printed.getvalue()
    assert value.replace("\\", "\\\\").replace('"', '\\"') not in printed.getvalue()
    assert printed.getvalue().strip()


def speak(way: str, text: str, value: str) -> None:
    log = structlog.get_logger()
    if way == "event":
        log.info(text)
    elif way == "key":
        log.info("event", detail=text, secret=Secret(value))
    elif way == "nested":
        log.info("event", detail={"inner": [value, {"more": value}]})
    elif way == "library":
        logging.getLogger("some.library").error("it said %s", value)
    else:
        try:
            raise RuntimeError(value)
        except RuntimeError:
            log.error("event", exc_info=True)


def test_short_values_are_left_alone() -> None:
    register_secret(Secret("abc"))

    assert redact("abcdef") == "abcdef"


def test_the_percent_encoded_form_is_masked_too() -> None:
    register_secret(Secret("se/cret+value"))

    assert "se%2Fcret" not in redact("https://host/?token=se%2Fcret%2Bvalue")


def test_a_secret_across_the_cut_leaves_no_half() -> None:
    register_secret(Secret("topsecretvalue"))

    assert one_line("an answer\r\nthat ends in topsecretvalue", 28) == "an answer that ends in [reda"
    assert one_line("\x00") == "no detail"
