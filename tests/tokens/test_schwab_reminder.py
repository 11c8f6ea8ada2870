"""The reminder of an environment of the market us, as it is deployed: it looks at Schwab's login and when that ends."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.tokens.test_functions import FUNCTIONS, NAMES, check_rights, invoke, letters, stocked

from harvester.base.market import entered
from harvester.calendar import TradingCalendar
from runbook.aws.archives import contents

__all__ = ["letters", "stocked"]
PARAMETER, SECRET = NAMES.parameter("schwab_access_token"), NAMES.schwab_secret
PLACES = {"ssm": f"ssm:{PARAMETER}", "secretsmanager": f"secret:{SECRET}"}
LOGIN = "2026-11-20T14:00:00-05:00"
"""Friday; it ends on the half day after Thanksgiving, an hour after the close."""


@pytest.fixture(scope="module")
def beside() -> dict[str, bytes]:
    """What the build of the market us puts into the archive. Not to be changed."""
    with entered("us"):
        return contents(FUNCTIONS / "reminder.py", FUNCTIONS, [TradingCalendar.load()], date(2026, 11, 1))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def value(login: str = LOGIN) -> str:
    """Half an hour after the login nobody renewed: the host that does it sleeps."""
    created = int(datetime.fromisoformat(login).timestamp())
    token = {"access_token": "acc3ss", "refresh_token": "refr3sh", "expires_at": created + 1800}
    return json.dumps({"creation_timestamp": created, "token": token})


def keep(place: str, text: str) -> None:
    if place == "ssm":
        boto3.client("ssm").put_parameter(Name=PARAMETER, Value=text, Type="SecureString", Overwrite=True)
    else:
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=text)


def at(*moments: str) -> list[dict[str, str]]:
    return [{"now": f"2026-11-{moment}:00-05:00"} for moment in moments]


def test_people_are_told_of_the_logins_end_once_in_new_yorks_time(
    tmp_path: Path, stocked: dict[str, str], letters: Any, beside: dict[str, bytes], place: str
) -> None:
    keep(place, value())
    looks = at("24T13:55", "24T14:00", "24T14:05", "26T14:00", "27T08:25", "27T08:30", "27T09:35", "27T12:55")

    told = invoke(tmp_path, "reminder", looks, stocked | {"LOGIN": PLACES[place]}, beside)

    assert [answer["sent"] for answer in told["answers"]] == [
        [],
        ["login_ends"],
        [],
        ["login_ends"],
        [],
        ["login_ends"],
        [],
        [],
    ]
    heard = letters()
    assert len(heard) == 3
    assert all("It ends Fri 27 Nov, 14:00 EST" in text and "./inv token-push --broker schwab" in text for text in heard)
    assert not [text for text in (*heard, told["log"]) if "acc3ss" in text or "refr3sh" in text]
    assert told["foreign"] == []
    check_rights("reminder", told["calls"], schwab=place)


def test_without_a_login_the_days_own_steps_ask_for_one(
    tmp_path: Path, stocked: dict[str, str], letters: Any, beside: dict[str, bytes], place: str
) -> None:
    looks = at("24T08:30", "26T08:30")
    told = invoke(tmp_path, "reminder", looks, stocked | {"LOGIN": PLACES[place]}, beside)

    assert [answer["sent"] for answer in told["answers"]] == [["no_token"], []], "Thanksgiving is no session"
    [text] = letters()
    assert "opens at 09:30 EST, and no login is stored" in text and "--broker schwab" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (value("2026-11-17T08:00:00-05:00"), "the last login ended Tue 24 Nov 08:00 EST"),
        (value("2026-11-17T12:00:00-05:00"), "the login ends Tue 24 Nov 12:00 EST, before the session does"),
        ("eyJ.a.b", "not in the form of schwab_token.json"),
    ],
    ids=["over", "too short", "another form"],
)
def test_a_login_that_does_not_cover_the_day_is_asked_for_that_morning(
    tmp_path: Path, stocked: dict[str, str], letters: Any, beside: dict[str, bytes], text: str, words: str
) -> None:
    keep("ssm", text)
    told = invoke(tmp_path, "reminder", at("24T08:30"), stocked | {"LOGIN": PLACES["ssm"]}, beside)

    [heard] = letters()
    assert words in heard and len(told["answers"][0]["sent"]) == 1


def test_a_store_that_cannot_be_asked_is_told_as_that(
    tmp_path: Path, stocked: dict[str, str], letters: Any, beside: dict[str, bytes]
) -> None:
    login = {"LOGIN": f"file:{tmp_path}"}  # a folder
    told = invoke(tmp_path, "reminder", at("24T08:30"), stocked | login, beside)

    assert told["answers"] == [{"sent": ["store_down"]}]
