"""The login page of a lab's broker, opened by hand: what `token-push` says of it is done to the letter."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.exchanges import serving

from exchange.state import StateDir
from harvester.base.redaction import Secret
from harvester.config.broker import API_URL
from harvester.tokens.login import App, Login, begin_login
from runbook.fleet.inventory import Host
from runbook.tokens import broker_login
from runbook.tokens.broker_login import page_opener, stand_in_of

BROWSER = shutil.which("chromium")
WITHOUT_A_SCREEN = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom")


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium here (apt-get install chromium)")
def test_the_named_command_shows_the_login_page_of_the_stand_in(tmp_path: Path) -> None:
    state = tmp_path / "exchange"
    with serving(state) as ready:
        made_up = StateDir(state).app()
        link = begin_login(App(made_up.app_id, Secret(made_up.secret), made_up.redirect_uri), API_URL).url
        variables = {"broker_proxy": ready["proxy"], "broker_secret_file": str(state / "app.json")}
        said = stand_in_of(Host("h1", "192.0.2.1", variables=variables))
        command = said[said.index("  chromium ") : said.index("\n\n`user`")].replace("\\\n", " ")
        words = [*shlex.split(command.replace("THE PAGE ABOVE", link)), *WITHOUT_A_SCREEN]
        words = [f"--user-data-dir={tmp_path}/browser" if "--user-data-dir" in word else word for word in words]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert 'name="client"' in done.stdout and 'name="pin"' in done.stdout, done.stdout + done.stderr[-2000:]
    assert all(f'"{key}"' in (state / "app.json").read_text() for key in ("user", "pin"))
    assert max(map(len, said.splitlines()[:6])) <= 80


def test_no_browser_is_sent_to_the_real_broker_with_the_account_of_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return "http://127.0.0.1:8080/?auth_code=x&state=s\n"

    opened: list[str] = []
    told: list[str] = []
    monkeypatch.setattr(broker_login.webbrowser, "open", opened.append)
    monkeypatch.setattr(broker_login.sys, "stdin", Terminal())
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr(broker_login.Catcher, "wait", lambda *_, **__: "http://127.0.0.1:8080/?auth_code=x")
    login = Login("https://api-t1.fyers.in/page", "s")

    page_opener("http://127.0.0.1:0/", told.append, stand_in="\nThe broker is a stand-in.\n")(login)
    assert opened == [] and "stand-in" in told[0]
    page_opener("http://127.0.0.1:0/", told.append)(login)
    assert opened == [login.url] and "stand-in" not in told[1]
