"""deliver-rows --compare: a day's rows are read from the database and counted, and none is brought."""

import json

import pytest
from tests.postgres.conftest import DAY, RowHost
from tests.postgres.test_days import record

from harvester.cli import run


def compare(host: RowHost, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    assert host.settings
    code = run(["deliver-rows", "--compare", "--date", str(DAY), "--config", str(host.root / "config.json"), *more])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_row_that_was_changed_or_removed_is_counted_and_nothing_is_brought(
    host: RowHost, capsys: pytest.CaptureFixture[str]
) -> None:
    record(host)
    host.deliver()
    capsys.readouterr()
    code, out, _ = compare(host, capsys, "--json")
    [whole] = json.loads(out)
    assert (code, whole["name"], whole["date"], whole["left_out"]) == (0, "rows", str(DAY), "")
    assert whole["rows"] == whole["equal"] > 4
    host.base.run(
        "UPDATE equity_data SET price = price + 1 WHERE id = (SELECT min(id) FROM equity_data)",
        "DELETE FROM indicators WHERE id = (SELECT min(id) FROM indicators)",
    )

    code, out, error = compare(host, capsys)
    again = json.loads(compare(host, capsys, "--json")[1])

    assert (code, f"{whole['rows'] - 2} of {whole['rows']} rows are the same" in out) == (1, True)
    assert "not every row is there as it is here" in error
    assert again == [whole | {"equal": whole["rows"] - 2}], "a comparison repairs nothing"


def test_a_table_that_is_gone_is_told_and_not_made_anew(host: RowHost, capsys: pytest.CaptureFixture[str]) -> None:
    record(host)
    host.deliver()
    host.base.run("DROP TABLE indicators")

    code, _, error = compare(host, capsys)

    assert (code, "indicators" in error, "a delivery makes" in error) == (1, True, True)
    assert host.base.run("SELECT to_regclass('indicators')") == [(None,)]


def test_a_day_of_which_nothing_is_here_says_why(host: RowHost, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = compare(host, capsys, "--json")

    assert (code, out, str(DAY) in error) == (1, "", True)


@pytest.mark.parametrize("other", ["--due", "--live", "--dsn"])
def test_it_goes_with_a_date_alone(host: RowHost, capsys: pytest.CaptureFixture[str], other: str) -> None:
    assert host.settings
    code = run(["deliver-rows", "--compare", other, "--config", str(host.root / "config.json")])

    assert (code, "brings nothing" in capsys.readouterr().err) == (2, True)
