"""A delivery that is killed at any statement, or loses its connection there: the next one ends with every row once."""

import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.journals import DAY
from tests.postgres.conftest import SBIN, RowHost
from tests.postgres.test_live import bar
from tests.storage.lake.candles import said

from harvester.postgres.trouble import DatabaseError

STATEMENTS = 40
"""More than a turn has: then it ends well."""


def at_statement(number: int, act: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen before the statement of this number, counted from 1."""
    execute, count = psycopg.Cursor.execute, iter(range(1, 1_000))

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        if next(count) == number:
            act(self.connection)
        return execute(self, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)


def counts(host: RowHost) -> tuple[int, int]:
    there = host.base.run("SELECT count(*) FROM pg_tables WHERE tablename IN ('equity_data', 'indicators')")
    if there == [(0,)]:
        return 0, 0
    assert there == [(2,)], "both tables are made, or none"
    [(rows, averages)] = host.base.run("SELECT (SELECT count(*) FROM equity_data), (SELECT count(*) FROM indicators)")
    return rows, averages


def test_a_kill_before_any_statement_loses_and_doubles_nothing(host: RowHost, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for number in range(1, STATEMENTS):
        recorder = host.recorder()
        recorder.answer(number + 1 + 0.05, SBIN, said(*(bar(each, 800 + each) for each in range(number + 1))))
        before = counts(host)
        child = os.fork()
        if child == 0:
            with monkeypatch.context() as patch:
                at_statement(number, lambda _: os.kill(os.getpid(), signal.SIGKILL), patch)
                host.live().turn(DAY)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        after = counts(host)
        assert after[0] == after[1] and after in (before, (number + 1, number + 1))
        seen.add(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
        host.live().turn(DAY)
        assert counts(host) == (number + 1, number + 1)
        if seen == {signal.SIGKILL, 0}:
            return
    pytest.fail("no turn ended well")


def test_a_connection_that_ends_before_any_statement_is_opened_anew(
    host: RowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for number in range(1, STATEMENTS):
        host.recorder().answer(number + 1 + 0.05, SBIN, said(*(bar(each, 800 + each) for each in range(number + 1))))
        live = host.live()
        with monkeypatch.context() as patch:
            at_statement(number, lambda mine: _terminate(host, mine), patch)
            try:
                live.turn(DAY)
            except DatabaseError as error:
                failed += 1
                assert str(error).endswith("Nothing is lost: what is lacking is read again from the journal.")
            else:
                failed = -failed
        if failed < 0:
            assert failed < -10 and counts(host) == (number + 1, number + 1)
            return
        live.forget()
        assert live.turn(DAY) >= 0
        assert counts(host) == (number + 1, number + 1)
        live.forget()
    pytest.fail("no turn ended well")


def _terminate(host: RowHost, mine: Any) -> None:
    with psycopg.connect(host.base.dsn.replace("user=harvester", "user=postgres"), autocommit=True) as other:
        other.pgconn.exec_(f"SELECT pg_terminate_backend({mine.info.backend_pid}, 5000)".encode())
