"""The calendar and the lists of members beside an inventory: where they are, how they are fetched and written."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.release import USER_AGENT
from runbook.fleet import calendar, indices

TODAY = date(2026, 12, 15)
CALENDAR = {"phase_rules": []}
MEMBERS = "\ufeffCompany Name,Industry,Symbol,Series,ISIN Code\n\u20b9,Banks, SBIN ,EQ,INE062A01020\n\n"
URL, ELSEWHERE = "https://example.invalid/list", "https://example.invalid/new"
MOVED = httpx.Response(301, headers={"Location": ELSEWHERE})
Answer = httpx.Response | httpx.HTTPError
Asked = list[tuple[str, str, str]]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    """A site that answers so, one time after the other; the list fills with each request's address and two headers."""

    def begin(*answers: Answer) -> Asked:
        asked: Asked = []
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append((str(request.url), request.headers["User-Agent"], request.headers.get("Cookie", "")))
            found = left.pop(0)
            if isinstance(found, httpx.HTTPError):
                raise found
            return found

        make = httpx.Client.__init__

        def made(client: httpx.Client, **options: Any) -> None:
            assert options["timeout"] == 20
            make(client, **options | {"transport": httpx.MockTransport(answer)})

        monkeypatch.setattr(httpx.Client, "__init__", made)
        return asked

    return begin


def test_the_exchanges_list_is_asked_for_with_the_cookies_of_its_page(site: Callable[..., Asked]) -> None:
    asked = site(httpx.Response(200, headers={"Set-Cookie": "nsit=1; Path=/"}), httpx.Response(200, json={"CM": []}))

    assert calendar.fetch(None) == {"CM": []}
    page = "https://www.nseindia.com/resources/exchange-communication-holidays"
    listed = "https://www.nseindia.com/api/holiday-master?type=trading"
    assert asked == [(page, USER_AGENT, ""), (listed, USER_AGENT, "nsit=1")]


def test_another_address_is_asked_alone(site: Callable[..., Asked]) -> None:
    asked = site(MOVED, httpx.Response(200, json=CALENDAR))

    assert calendar.fetch(URL) == CALENDAR
    assert [address for address, *_ in asked] == [URL, ELSEWHERE]


BAD = [
    (httpx.ConnectTimeout("x"), "no answer (ConnectTimeout)."),
    (httpx.Response(403, text="{}"), "refused with HTTP 403."),
    (httpx.Response(204), "refused with HTTP 204."),
]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        *BAD,
        (httpx.Response(200, content=b" " * (4 << 20) + b"1"), "refused with HTTP 200."),
        (httpx.Response(200, text="<html>"), "not JSON, so not the exchange's list."),
        (httpx.Response(200, text="[" * 100_000), "not JSON, so not the exchange's list."),
        (httpx.Response(200, json=[]), "neither the exchange's list (no CM) nor a calendar (no phase_rules)."),
        (httpx.Response(200, json={"CM": {}}), "neither the exchange's list (no CM) nor a calendar (no phase_rules)."),
    ],
)
def test_a_list_of_days_that_cannot_be_had_says_why_and_what_to_do(
    site: Callable[..., Asked], answer: Answer, why: str
) -> None:
    site(answer)
    with pytest.raises(HarvesterError) as caught:
        calendar.fetch(URL)
    assert str(caught.value) == f"{URL}: {why} {calendar.BY_HAND}"


def test_a_list_of_the_largest_size_is_taken(site: Callable[..., Asked]) -> None:
    text = json.dumps(CALENDAR).encode()
    site(httpx.Response(200, content=text + b" " * ((4 << 20) - len(text))))
    assert calendar.fetch(URL) == CALENDAR


def test_a_file_is_read_as_it_is_and_one_that_is_not_there_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "list.json").write_text(json.dumps(CALENDAR))
    assert calendar.fetch("~/list.json") == CALENDAR
    for fetch in (lambda: calendar.fetch("~/none"), lambda: indices.fetch("NIFTY BANK", "~/none", TODAY)):
        with pytest.raises(ConfigError) as caught:
            fetch()
        assert str(caught.value) == f"{tmp_path}/none: cannot be read (No such file or directory)."


def test_a_list_of_members_is_read_with_its_mark_of_order_from_an_address_and_a_file(
    site: Callable[..., Asked], tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(MEMBERS.encode() + b"\xff,Banks,HDFC,BE,INE040A01034\n")
    asked = site(MOVED, httpx.Response(200, content=file.read_bytes()))

    by_address, by_file = indices.fetch("NIFTY BANK", URL, TODAY), indices.fetch("NIFTY BANK", str(file), TODAY)

    assert by_address.members == by_file.members == {"INE062A01020": "SBIN-EQ", "INE040A01034": "HDFC-BE"}
    assert (by_address.source, by_file.source, by_file.date) == (URL, str(file), TODAY)
    assert asked == [(URL, USER_AGENT, ""), (ELSEWHERE, USER_AGENT, "")]
    assert indices.address_of("NIFTY Next 50") == (
        "https://nsearchives.nseindia.com/content/indices/ind_niftynext50list.csv"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [*BAD, (httpx.Response(200, content=b" " * (1 << 20) + b"1"), "refused with HTTP 200.")],
)
def test_a_list_of_members_that_cannot_be_had_says_why_and_what_to_do(
    site: Callable[..., Asked], answer: Answer, why: str
) -> None:
    site(answer)
    with pytest.raises(HarvesterError) as caught:
        indices.fetch("NIFTY BANK", URL, TODAY)
    assert str(caught.value) == f"{URL}: {why} {indices.BY_HAND}"


@pytest.mark.parametrize(
    ("beside", "name"), [(calendar.calendar_beside, calendar.FILE), (indices.lists_beside, indices.FILE)]
)
def test_the_file_of_the_first_source_that_has_one_counts(
    tmp_path: Path, beside: Callable[[list[str]], str], name: str
) -> None:
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
        if folder != "one":
            (tmp_path / folder / name).write_text("{}")
    (tmp_path / "two" / "hosts.yml").touch()
    sources = [str(tmp_path / place) for place in ("one", "two/hosts.yml", "three")]

    assert beside(sources) == str(tmp_path / "two" / name)
    assert beside(sources[2:]) == str(tmp_path / "three" / name)
    assert beside(sources[:1]) == beside([]) == ""


def test_a_segment_that_has_days_of_its_own_is_compared_with_these() -> None:
    days = [f"{number:02}-Mar-2027" for number in range(1, 7)]
    cash, currency = ([{"tradingDate": day, "description": "x"} for day in part] for part in (days[:5], days))
    first = calendar.propose(calendar.current(None), {"CM": cash, "CD": currency}, "the list", TODAY)
    own = deepcopy(first["segments"]["nse_currency"])

    again = calendar.propose(first, {"CM": cash, "CD": currency}, "another list", TODAY)

    assert "2027-03-06" in {each["date"] for each in own["holidays"]}
    assert again["segments"]["nse_currency"] == own
    assert again == first


def test_a_calendar_is_written_with_letters_as_they_are(tmp_path: Path) -> None:
    made = {"market": "\u20b9 market", "holidays": [{"name": "\u0926"}], "phase_rules": [], "segments": {
        "nse_fo": {"note": "\u0905", "holidays": [{"date": "x"}, {"date": "y"}]}, "other": {},
    }}  # fmt: skip
    path = tmp_path / "calendar.json"
    calendar.write(path, made)

    assert json.loads(path.read_text("utf-8")) == made
    assert path.read_text("utf-8").splitlines() == [
        "{",
        '  "market": "\u20b9 market",',
        '  "holidays": [',
        '    {"name": "\u0926"}',
        "  ],",
        '  "phase_rules": [],',
        '  "segments": {',
        '    "nse_fo": {',
        '      "note": "\u0905",',
        '      "holidays": [',
        '        {"date": "x"},',
        '        {"date": "y"}',
        "      ]",
        "    },",
        '    "other": {',
        "",
        "    }",
        "  }",
        "}",
    ]
    assert path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(ConfigError, match=r"calendar\.json/x: cannot be written \(Not a directory\)\.$"):
        calendar.write(path / "x", made)
