"""A database as Supabase has it: roles anon and service_role, row-level security, a pooler between."""

import psycopg
import pytest
from tests.journals import DAY
from tests.postgres.conftest import SBIN, RowHost
from tests.postgres.test_live import bar
from tests.postgresql_server import Server
from tests.storage.lake.candles import said


@pytest.fixture
def supabase(server: Server, host: RowHost) -> RowHost:
    """The roles as the users' tables know them (capabilities: anon may select, service_role all)."""
    for role, options in (("anon", "NOLOGIN"), ("service_role", "NOLOGIN BYPASSRLS")):
        if (role,) not in host.base.run("SELECT rolname::text FROM pg_roles"):
            host.base.run(f"CREATE ROLE {role} {options}")
    host.base.run("GRANT USAGE ON SCHEMA public TO anon, service_role")
    host.recorder().answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
    return host


def test_anon_reads_the_tables_and_writes_none_and_sees_nothing_of_who_delivers(supabase: RowHost) -> None:
    assert supabase.live().turn(DAY) == 4
    assert supabase.base.run("SET ROLE anon", "SELECT count(*) FROM equity_data") == [(2,)]
    assert supabase.base.run("SET ROLE anon", "SELECT count(*) FROM indicators") == [(2,)]
    for statement in ("UPDATE equity_data SET price = 1", "DELETE FROM indicators", "TABLE harvester_deliveries"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            supabase.base.run("SET ROLE anon", statement)
    supabase.base.run("SET ROLE service_role", "UPDATE equity_data SET price = 1")
    assert supabase.base.run("SELECT relrowsecurity FROM pg_class WHERE relname = 'harvester_deliveries'") == [(True,)]


def test_the_tables_are_those_of_the_users_to_the_letter(supabase: RowHost) -> None:
    supabase.live().turn(DAY)
    described = (
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(d.adbin, d.adrelid)"
        " FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum"
        " WHERE attrelid = '{}'::regclass AND attnum > 0 ORDER BY attnum"
    )
    stamp, money = "timestamp with time zone", "numeric(10,2)"
    assert supabase.base.run(described.format("equity_data")) == [
        ("id", "bigint", True, "nextval('equity_data_id_seq'::regclass)"),
        ("ticker", "character varying(10)", True, None),
        ("timestamp", stamp, True, None),
        ("price", money, True, None),
        ("volume", "bigint", True, None),
        ("created_at", stamp, False, "now()"),
    ]
    assert [row[:3] for row in supabase.base.run(described.format("indicators"))] == [
        *(("id", "bigint", True), ("ticker", "character varying(10)", True), ("timestamp", stamp, True)),
        *(("sma9", money, False), ("vwap", money, False), ("created_at", stamp, False)),
    ]
    names = supabase.base.run("SELECT indexname::text FROM pg_indexes WHERE indexname LIKE 'idx%' ORDER BY 1")
    assert names == [("idx_equity_unique",), ("idx_indicators_unique",)]
    policies = supabase.base.run("SELECT tablename::text, policyname::text FROM pg_policies ORDER BY 1, 2")
    assert policies == [
        (table, name) for table in ("equity_data", "indicators") for name in ("anon_reads", "service_role_all")
    ]


def test_the_check_query_of_the_users_finds_the_day(supabase: RowHost) -> None:
    supabase.live().turn(DAY)
    query = (
        "SELECT COUNT(*), MAX(timestamp) FROM equity_data WHERE ticker='SBIN' AND timestamp::date = DATE '2026-11-23'"
    )
    [(count, newest)] = supabase.base.run("SET timezone = 'UTC'", query)
    assert (count, newest.isoformat()) == (2, "2026-11-23T03:46:00+00:00")


def test_a_pooler_that_changes_the_connection_between_transactions_is_no_trouble(
    supabase: RowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is prepared, set or left in a session: each transaction may come to another one."""
    live = supabase.live()
    assert live.turn(DAY) == 4
    for number in range(2, 10):
        supabase.recorder().answer(number + 1.05, SBIN, said(bar(number, 800)))
        assert live.turn(DAY) == 2
        database = live._database
        assert database and database._connection
        with database._connection as kept:
            prepared = kept.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
            temporary = kept.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'").fetchone()
            limit = kept.execute("SHOW lock_timeout").fetchone()
        assert (prepared, temporary, limit) == ((0,), (0,), ("0",))
        live.forget()
        live.turn(DAY)
