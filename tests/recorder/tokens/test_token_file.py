"""harvester token-file: what it says of which file, and that a token that is refused changes nothing."""

from pathlib import Path

import pytest
from tests.recorder.fakes import make_token

from harvester.cli import run

GOOD, OTHER, EXPIRED = make_token(4_000_000_000), make_token(4_000_000_100), make_token(1_000_000_000)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, value in {"credential": GOOD, "incoming": OTHER, "old": EXPIRED, "empty": ""}.items():
        (tmp_path / name).write_text(value)
    return tmp_path


def token_file(place: Path, *words: str) -> int:
    return run(["token-file", "--file", f"{place}/credential", *(word.format(place) for word in words)])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--take", "{}/empty"), "{}/empty holds no token, so nothing was changed."),
        (("--take", "{}/nowhere"), "{}/nowhere holds no token, so nothing was changed."),
        (("--undo",), "{}/credential: no earlier token is kept, so nothing was changed."),
        (("--take", "{}/old"), "The token expired at 2001-09-09 07:16 IST."),
    ],
)
def test_a_refusal_names_the_file_that_it_is_about_and_leaves_all_as_it_is(
    place: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    before = {path.name: path.read_text() for path in place.iterdir()}

    assert token_file(place, *words) == 1

    assert says.format(place) in capsys.readouterr().err
    assert {path.name: path.read_text() for path in place.iterdir()} == before


def test_a_token_that_is_taken_is_in_force_and_gone_where_it_was_and_an_undo_brings_the_one_before(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert token_file(place, "--take", "{}/incoming") == 0
    assert (place / "credential").read_text().strip() == OTHER
    assert not (place / "incoming").exists()
    assert token_file(place, "--undo") == 0
    assert (place / "credential").read_text().strip() == GOOD

    taken, undone = capsys.readouterr().out.splitlines()
    assert taken.startswith("file:") and taken.endswith("good until 2096-10-02 12:38 IST")
    assert undone.endswith("good until 2096-10-02 12:36 IST") and GOOD not in taken + undone
