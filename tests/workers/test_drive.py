"""The stand-in of Drive: queries, uploads in pieces and refusals; with --long, Google's own client judges it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.readers.venv import making

from lab import cli
from lab.drive.answers import Answer
from lab.drive.files import ROOT
from lab.drive.queries import QueryError, read_query
from lab.drive.running import running
from lab.drive.server import Drive


class Client:
    """Asks a Drive without HTTP, as the person whose it is."""

    def __init__(self) -> None:
        self.drive = Drive()
        form = f"grant_type=refresh_token&refresh_token={self.drive.logins.refresh_token}".encode()
        self.token = json.loads(self.drive.answer("POST", "https://oauth2.googleapis.com/token", {}, form).body)[
            "access_token"
        ]

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.drive.answer(method, path, {"authorization": f"Bearer {self.token}", **given}, data)

    def make(self, name: str, **more: object) -> str:
        return str(json.loads(self.ask("POST", "/drive/v3/files", {"name": name, **more}).body)["id"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "it's", "b"]),
        ("name = 'a'", ["a"]),
        ("name='a' or name='b'", ["a", "b"]),
        (r"name = 'it\'s'", ["it's"]),
        ("not name = 'a'", ["it's", "b"]),
        ("trashed=false", ["a", "it's"]),
        (f"trashed = true and '{ROOT}' in parents", ["b"]),
        ("(name='a' or name='b') and trashed=false", ["a"]),
        ("name='a' or name='b' and trashed=false", ["a"]),
        ("mimeType != 'application/vnd.google-apps.folder' and name contains 'T'", ["it's"]),
    ],
)
def test_a_query_finds_what_drive_would(query: str, found: list[str]) -> None:
    client = Client()
    for name in ("a", "it's", "b"):
        client.make(name)
    client.drive.files.all()[2].fields["trashed"] = True
    assert [file.fields["name"] for file in client.drive.files.all() if read_query(query)(file)] == found


@pytest.mark.parametrize(
    "query", ["name", "name =", "name ~ 'a'", "(name='a'", "name='a' name='b'", "size = '1'", "'a' in owners"]
)
def test_a_query_that_is_none_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        read_query(query)
    assert Client().ask("GET", f"/drive/v3/files?q={query.replace(' ', '%20')}").code == 400


def test_an_upload_in_pieces_goes_on_where_it_was_cut() -> None:
    client = Client()
    place = client.ask("POST", "/upload/drive/v3/files?uploadType=resumable", {"name": "a"}).headers["Location"]
    assert client.ask("PUT", place, b"abc", content_range="bytes 0-2/6") == Answer(308, b"", {"Range": "bytes=0-2"})
    assert client.ask("PUT", place, b"", content_range="bytes */6") == Answer(308, b"", {"Range": "bytes=0-2"})
    assert client.ask("PUT", place, b"zz", content_range="bytes 5-6/7").code == 400
    assert client.ask("PUT", place, b"bcdef", content_range="bytes 1-5/6").code == 200
    assert client.drive.files.all()[0].data == b"abcdef"
    assert client.ask("PUT", place, b"", content_range="bytes */6").code == 404


def test_refusals_are_those_of_drive() -> None:
    client = Client()
    made = client.make("a")
    client.drive.mishaps.full = True
    refused = client.ask("POST", "/drive/v3/files", {"name": "b"})
    assert (refused.code, json.loads(refused.body)["error"]["errors"][0]["reason"]) == (403, "storageQuotaExceeded")
    assert client.ask("PATCH", f"/upload/drive/v3/files/{made}?uploadType=media", b"x").code == 200
    assert client.ask("PATCH", "/upload/drive/v3/files/none?uploadType=media", b"x").code == 404
    assert client.ask("POST", "/drive/v3/files", {"name": "b", "parents": ["none"]}).code == 403
    client.drive.mishaps.full = False
    assert client.ask("POST", "/drive/v3/files", {"name": "b", "parents": ["none"]}).code == 404
    client.drive.mishaps.rate_429 = 1
    assert [client.ask("GET", f"/drive/v3/files/{made}").code for _ in range(2)] == [429, 200]
    client.drive.logins.revoke()
    assert client.ask("GET", "/drive/v3/files").code == 401
    assert client.drive.answer("POST", "/token", {}, b"grant_type=refresh_token&refresh_token=other").code == 400


@pytest.mark.long
def test_googles_own_client_is_content_with_it(tmp_path: Path) -> None:
    with making("drive") as python, running(tmp_path) as drive:
        drive.mishaps.cut_uploads = 1
        script = str(Path(__file__).with_name("google_client.py"))
        environment = os.environ | drive.environment | {"HTTPLIB2_CA_CERTS": drive.environment["SSL_CERT_FILE"]}
        environment |= {"REQUESTS_CA_BUNDLE": drive.environment["SSL_CERT_FILE"]}
        command = [python, script, drive.logins.refresh_token]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {
        "updated": True,
        "pieces": 4,
        "same": True,
        "twins": 2,
        "escaped": 1,
        "names": ["a.json", "a.json", "b"],
        "left": 1,
        "gone": [404, said["gone"][1]],
        "bad_query": 400,
    }


def test_a_command_is_led_to_a_stand_in_and_its_exit_code_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    script = (
        "import os; print(os.environ['HTTPS_PROXY'], open(os.environ['RCLONE_CONFIG']).read()); raise SystemExit(7)"
    )
    assert cli.main(["drive", "--", sys.executable, "-c", script]) == 7
    said = capfd.readouterr().out
    assert said.startswith("http://127.0.0.1:")
    assert "[drive]\ntype = drive" in said
    assert cli.main(["drive"]) == 2
    assert "lab drive -- rclone lsf drive:" in capfd.readouterr().err
