"""Signing in like a person would: open the page, fill in the form, follow it to the redirect."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx

from exchange.state import StateDir
from harvester.base.errors import HarvesterError


class _Form(HTMLParser):
    """The first form of a page: its action and the names of its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.names: set[str] = set()
        self.alert = ""
        self._in_alert = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = values.get("action") or ""
        elif tag == "input" and values.get("name"):
            self.names.add(str(values["name"]))
        self._in_alert = values.get("role") == "alert"

    def handle_data(self, data: str) -> None:
        if self._in_alert:
            self.alert += data

    def handle_endtag(self, tag: str) -> None:
        self._in_alert = False


def login_as_a_person(url: str, state_dir: Path, client: httpx.Client) -> str:
    """Sign the exchange's user in on the login page at `url`; the address it redirects to, with the auth code.

    `client` must reach the exchange, such as `exchange.client.open_client(state_dir)`; redirects are not followed.
    Raises HarvesterError with the page's own words when it does not let the user in.
    """
    app = StateDir(Path(state_dir)).app()
    page = client.get(url)
    form = _read(page)
    if page.status_code != httpx.codes.OK or form.action is None or not {"client", "pin"} <= form.names:
        raise HarvesterError(f"The login page of {page.url.host} shows no form: {_words(page, form)}")
    target = urljoin(str(page.url), form.action)
    answer = client.post(target, data={"client": app.user, "pin": app.pin}, follow_redirects=False)
    if not answer.is_redirect:
        raise HarvesterError(f"The login page of {page.url.host} did not let us in: {_words(answer, _read(answer))}")
    return answer.headers["Location"]


def _read(page: httpx.Response) -> _Form:
    form = _Form()
    form.feed(page.text)
    return form


def _words(page: httpx.Response, form: _Form) -> str:
    return form.alert.strip() or f"HTTP {page.status_code}"
