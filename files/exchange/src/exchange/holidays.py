"""The exchange's own list of trading holidays, as nseindia.com serves it to a browser.

Form: public programs that read `api/holiday-master?type=trading` (keys CM, FO, CD, COM; tradingDate as 26-Jan-2026,
weekDay, description, morning_session, evening_session, Sr_no). It answers only a client that has a name and was given
cookies by a page before; otherwise 403 or 401, in HTML.
"""

from collections.abc import Iterable
from datetime import date

from aiohttp import web

from exchange.replies import reply
from exchange.world import world_of
from harvester.calendar import SegmentName
from harvester.calendar.model import Holiday, read_calendar

PAGE = "/resources/exchange-communication-holidays"
LIST = "/api/holiday-master"
COOKIE = "nsit"
SEGMENTS: dict[str, SegmentName] = {"CM": "nse_cash", "FO": "nse_fo", "CD": "nse_currency"}
MUHURAT = "Laxmi Pujan"
REFUSAL = "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY>Access Denied</BODY></HTML>"


async def page(request: web.Request) -> web.Response:
    """A page that only gives the cookie."""
    answer = web.Response(text="<html><body>Holidays</body></html>", content_type="text/html")
    answer.set_cookie(COOKIE, "made-up")
    return answer


async def holiday_list(request: web.Request) -> web.Response:
    """The list of the year that is on, or the file of --holiday-list."""
    if not request.headers.get("User-Agent"):
        return web.Response(text=REFUSAL, status=403, content_type="text/html")
    if COOKIE not in request.cookies or request.query.get("type") != "trading":
        return web.Response(text=REFUSAL, status=401, content_type="text/html")
    world = world_of(request)
    if world.holiday_list:
        return web.Response(body=world.holiday_list.read_bytes(), content_type="application/json")
    file = read_calendar(world.calendar)
    year = file.valid_until.year
    days = {key: file.days_of(segment) for key, segment in SEGMENTS.items()}
    return reply({key: _rows(each.holidays or (), year) for key, each in days.items() if each})


def _rows(holidays: Iterable[Holiday], year: int) -> list[dict[str, object]]:
    days: dict[date, str] = {each.date: each.name for each in holidays if each.date.year == year}
    return [
        {
            "tradingDate": f"{day:%d-%b-%Y}",
            "weekDay": f"{day:%A}",
            "description": f"{name}*" if MUHURAT in name else name,
            "morning_session": None,
            "evening_session": None,
            "Sr_no": number,
        }
        for number, (day, name) in enumerate(sorted(days.items()), start=1)
    ]
