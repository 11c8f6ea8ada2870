"""What a database can refuse: a sentence each that says what to do, and rows neither lost nor doubled."""

from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from tests.journals import DAY
from tests.postgres.conftest import SBIN, RowHost
from tests.postgres.test_live import bar
from tests.postgresql_server import NAME_OF_SERVER, PASSWORD, USER, Server
from tests.storage.lake.candles import said

from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret, redact
from harvester.postgres.dsn import read_dsn
from harvester.postgres.trouble import DatabaseError, LoginError, explain

TABLE = (
    "CREATE TABLE equity_data (id bigserial PRIMARY KEY, ticker varchar(10) NOT NULL, timestamp timestamptz NOT NULL,"
)
KEY = 'CREATE UNIQUE INDEX theirs ON equity_data (ticker, "timestamp")'
GRANT = f"ALTER TABLE equity_data OWNER TO {USER}"


@pytest.fixture
def recorded(host: RowHost) -> RowHost:
    recorder = host.recorder()
    recorder.answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
    return host


def refused(host: RowHost, kind: type[DatabaseError] = DatabaseError) -> str:
    live = host.live()
    with pytest.raises(kind) as caught:
        live.turn(DAY)
    live.forget()
    return str(caught.value)


def comes_all_the_same(host: RowHost) -> None:
    """After the remedy."""
    host.live().turn(DAY)
    assert [row[1] for row in host.rows()] == [800, 801]
    assert host.base.run("SELECT count(*) FROM indicators") == [(2,)]


@pytest.mark.parametrize(
    ("columns", "says", "remedy"),
    [
        ("price double precision NOT NULL, volume bigint NOT NULL",
         'its column "price" is double precision, and must be numeric(10,2)', "TYPE numeric(10,2)"),
        ("price numeric(10,1) NOT NULL, volume bigint NOT NULL",
         'its column "price" is numeric(10,1), and must be numeric(10,2)', "TYPE numeric(10,2)"),
    ],
)  # fmt: skip
def test_a_table_of_other_types_is_refused_and_left_as_it_is(
    recorded: RowHost, columns: str, says: str, remedy: str
) -> None:
    recorded.base.run(f"{TABLE} {columns})", KEY, GRANT)
    found = refused(recorded)
    assert found.startswith(f"public.equity_data: {says}. A table that is there is never changed from here: correct it")
    assert recorded.base.run("SELECT count(*) FROM pg_tables WHERE tablename = 'indicators'") == [(0,)]
    recorded.base.run(f"ALTER TABLE equity_data ALTER price {remedy}")
    comes_all_the_same(recorded)


def test_every_difference_of_a_table_is_in_one_sentence(recorded: RowHost) -> None:
    recorded.base.run(
        'CREATE TABLE equity_data (ticker varchar(10), "timestamp" timestamp, volume integer, source text NOT NULL)',
        GRANT,
    )
    found = refused(recorded)
    assert found.startswith(
        'public.equity_data: its column "timestamp" is timestamp without time zone, and must be timestamptz;'
        ' it has no column "price" (numeric(10,2)); its column "volume" is integer, and must be bigint;'
        ' its column "source" demands a value, and this delivery has none for it. A table'
    )


@pytest.mark.parametrize("index", ["", "CREATE INDEX i ON equity_data (ticker, timestamp)",
    "CREATE UNIQUE INDEX i ON equity_data (ticker, timestamp) WHERE volume > 0",
    "CREATE UNIQUE INDEX i ON equity_data (ticker, timestamp, price)",
    "CREATE UNIQUE INDEX i ON equity_data (timestamp) INCLUDE (ticker)",
    "CREATE UNIQUE INDEX i ON equity_data (ticker, timestamp, (volume + 1))",
    "CREATE UNIQUE INDEX i ON equity_data (ticker, timestamp);"
    " UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass"])  # fmt: skip
def test_a_table_without_its_unique_key_is_refused_with_the_statement_that_makes_it(
    recorded: RowHost, index: str
) -> None:
    recorded.base.run(f"{TABLE} price numeric(10,2) NOT NULL, volume bigint NOT NULL)", GRANT, *filter(None, [index]))
    found = refused(recorded)
    _, _, rest = found.partition("it has no unique key on (ticker, timestamp), so a row could come twice: ")
    statement = rest.partition(". A table")[0]
    assert statement == 'CREATE UNIQUE INDEX idx_equity_unique ON public.equity_data ("ticker", "timestamp")'
    recorded.base.run(statement, user=USER)
    comes_all_the_same(recorded)


@pytest.mark.parametrize("key", ["", KEY])
def test_a_deferrable_constraint_is_named_with_the_statements_that_correct_it(recorded: RowHost, key: str) -> None:
    """PostgreSQL takes one for the key of an ON CONFLICT, and then refuses each row by it; also beside a right key."""
    recorded.base.run(
        f"{TABLE} price numeric(10,2) NOT NULL, volume bigint NOT NULL,"
        ' CONSTRAINT "Theirs" UNIQUE (ticker, "timestamp") DEFERRABLE)',
        GRANT,
        *filter(None, [key]),
    )
    found = refused(recorded).removeprefix(
        "public.equity_data: its unique constraint Theirs is deferrable, and no rows"
    )
    statements = [each.partition(". A table")[0] for each in found.split(": ")[1:] if each[:6] in ("ALTER ", "CREATE")]
    assert len(statements) == (1 if key else 2)
    for statement in statements:
        recorded.base.run(statement.partition("; it has no")[0], user=USER)
    comes_all_the_same(recorded)


def test_a_unique_key_that_holds_other_columns_besides_is_one(recorded: RowHost) -> None:
    key = "CREATE UNIQUE INDEX i ON equity_data (ticker, timestamp) INCLUDE (price)"
    recorded.base.run(f"{TABLE} price numeric(10,2) NOT NULL, volume bigint NOT NULL)", GRANT, key)
    comes_all_the_same(recorded)


def test_a_wider_table_of_the_users_own_is_taken_and_their_rows_stay(recorded: RowHost) -> None:
    recorded.base.run(
        f"{TABLE} price numeric(12,4), volume bigint, source text DEFAULT 'us', created_at timestamptz DEFAULT now())",
        KEY, GRANT, "INSERT INTO equity_data (ticker, timestamp, price, volume, source) VALUES"
        " ('SBIN', '2026-11-20 04:00Z', 1.5, 1, 'theirs'), ('SBIN', '2026-11-23 03:45Z', 799, 1, 'theirs')",
    )  # fmt: skip
    recorded.live().turn(DAY)
    rows = recorded.base.run("SELECT price, source FROM equity_data ORDER BY timestamp")
    assert [(float(price), source) for price, source in rows] == [(1.5, "theirs"), (800, "theirs"), (801, "us")]


def test_a_view_is_no_table(recorded: RowHost) -> None:
    recorded.base.run("CREATE VIEW equity_data AS SELECT 1 AS ticker")
    assert refused(recorded) == "public.equity_data: it is no table, such as a view. Name another one in tables."


def test_a_database_that_is_read_only_is_named_so(recorded: RowHost) -> None:
    recorded.base.run(f"ALTER DATABASE {recorded.base.name} SET default_transaction_read_only = on")
    found = refused(recorded)
    assert "in a read-only transaction (25006). The database is read-only: a standby, or one that its provider" in found
    recorded.base.run("SET default_transaction_read_only = off",
                      f"ALTER DATABASE {recorded.base.name} RESET default_transaction_read_only")  # fmt: skip
    comes_all_the_same(recorded)


def test_a_user_without_rights_is_told_which(recorded: RowHost) -> None:
    recorded.base.run(f"{TABLE} price numeric(10,2), volume bigint)", KEY)
    found = refused(recorded)
    assert "permission denied for table equity_data. Grant the user of the DSN what it needs: usage and create" in found
    recorded.base.run(GRANT)
    comes_all_the_same(recorded)


def test_rows_that_a_policy_hides_are_never_taken_for_delivered(recorded: RowHost) -> None:
    recorded.base.run(f"{TABLE} price numeric(10,2), volume bigint)", KEY, f"GRANT ALL ON equity_data TO {USER}",
                      f"GRANT ALL ON SEQUENCE equity_data_id_seq TO {USER}",
                      "ALTER TABLE equity_data ENABLE ROW LEVEL SECURITY")  # fmt: skip
    assert "violates row-level security policy" in (found := refused(recorded)) and "bypassrls, or a policy" in found
    recorded.base.run("CREATE POLICY ours ON equity_data USING (true) WITH CHECK (true)")
    comes_all_the_same(recorded)


def test_a_full_disk_of_the_server_is_named_and_nothing_of_the_minute_is_there(recorded: RowHost) -> None:
    recorded.live().turn(DAY)
    recorded.base.run(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON indicators FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    recorder = recorded.recorder()
    recorder.answer(3.05, SBIN, said(bar(2, 802)))
    assert "(53100). The disk of the server is full: make room there." in refused(recorded)
    assert len(recorded.rows()) == 2, "of equity_data neither: a minute is one transaction"
    recorded.base.run("DROP TRIGGER full_disk ON indicators")
    recorded.live().turn(DAY)
    assert len(recorded.rows()) == len(recorded.rows("indicators")) == 3


def test_another_delivery_of_the_same_table_is_refused_and_can_be_forgotten(recorded: RowHost, tmp_path: Path) -> None:
    recorded.live().turn(DAY)
    other = RowHost(tmp_path / "other", recorded.base, changes={"host_id": "lab2"})
    recorder = other.recorder()
    recorder.answer(2.05, SBIN, said(bar(0, 5), bar(1, 5)))
    found = refused(other)
    assert found.startswith("public.equity_data: lab1/rows delivers this table, and two that do would overwrite each")
    assert [row[1] for row in recorded.rows()] == [800, 801]
    assert recorded.live().turn(DAY) == 0, "the first one goes on"
    recorded.base.run("DELETE FROM public.harvester_deliveries WHERE table_name IN ('equity_data', 'indicators')")
    other.live().turn(DAY)
    assert [row[1] for row in recorded.rows()] == [5, 5]


def test_a_table_that_somebody_locks_is_waited_for_and_then_named(
    recorded: RowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.live().turn(DAY)
    recorder = recorded.recorder()
    recorder.answer(3.05, SBIN, said(bar(2, 802)))
    monkeypatch.setattr("harvester.postgres.place.LOCK_MS", 50)
    with psycopg.connect(recorded.base.dsn) as holder:
        holder.execute("LOCK TABLE equity_data IN ACCESS EXCLUSIVE MODE")
        assert "(55P03). Another program holds a lock on the table: end its transaction." in refused(recorded)
    recorded.live().turn(DAY)
    assert len(recorded.rows()) == 3


def test_a_server_elsewhere_is_reached_with_an_odd_password_and_a_certificate_that_is_checked(
    recorded: RowHost, server: Server
) -> None:
    recorded.delivery_changes = {"ca_file": str(server.folder / "ca.crt")}
    recorded.dsn = recorded.base.tls()
    comes_all_the_same(recorded)
    live = recorded.live()
    live.turn(DAY)
    assert live.state.home == f"postgresql://{NAME_OF_SERVER}:{server.port}/{recorded.base.name}"
    with recorded.open() as place, place._working() as connection:
        found = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert found == (True,)


@pytest.mark.parametrize(
    ("change", "ca", "kind", "says"),
    [
        ({}, "other.crt", DatabaseError, "verify failed. Name the certificates that the server's is signed"),
        ({}, "not-there.crt", DatabaseError, "The file named as ca_file, or sslrootcert, must be on the host"),
        ({"host": "another.example.test"}, "ca.crt", DatabaseError, "write the name in it as host"),
        ({"password": "'wrong one'"}, "ca.crt", LoginError, "Store the password that is valid now, or create the user"),
        ({"dbname": "nowhere"}, "ca.crt", LoginError, "Correct user and database in the DSN, or create them"),
        ({"port": "1"}, "ca.crt", DatabaseError, "a port beside 5432 and 6543 must be in harvester_rows_ports"),
        ({"hostaddr": "", "host": "nowhere.invalid"}, "ca.crt", DatabaseError, "Correct the host in the DSN"),
    ],
)  # fmt: skip
def test_a_connection_that_does_not_come_says_why_and_shows_no_password(
    recorded: RowHost, server: Server, change: dict[str, str], ca: str, kind: type[DatabaseError], says: str
) -> None:
    recorded.delivery_changes = {"ca_file": str(server.folder / ca)}
    recorded.dsn = recorded.base.tls(**change)
    found = refused(recorded, kind)
    assert says in found and found.startswith("postgresql://") and PASSWORD not in found and "wrong one" not in found
    recorded.dsn, recorded.delivery_changes = "", {}
    comes_all_the_same(recorded)


@pytest.mark.parametrize(
    ("dsn", "says"),
    [
        ("postgresql://u:pa@ss/word@db.example.test/base", "an odd character in its password ends it too soon"),
        ("postgresql://u:50%off@db.example.test/base", "is no DSN that libpq can read"),
        ("host=db.example.test password='open", "is no DSN that libpq can read"),
        ("dbname=base user=u password=secret7", "the DSN names no host"),
        ("postgresql://u:secret7@db.example.test/base?sslmode=require", "the DSN says sslmode=require"),
    ],
)  # fmt: skip
def test_a_dsn_that_cannot_be_right_is_refused_without_showing_any_of_it(dsn: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_dsn(Secret(dsn), "file:/dsn")
    found = str(caught.value)
    assert found.startswith("file:/dsn: ") and says in found
    assert not any(part in found for part in ("pa@ss", "50%off", "open", "secret7"))


@pytest.mark.parametrize("word", ["p@ss/word#1", "50%", "a b'c\\d", "ünïcode"])
def test_odd_characters_reach_libpq_as_they_are_when_written_as_the_sentence_says(word: str) -> None:
    quoted = word.replace("\\", "\\\\").replace("'", "\\'")
    for dsn in (
        f"postgresql://u:{quote(word, safe='')}@db.example.test/b",
        f"host=db.example.test password='{quoted}'",
    ):
        found = read_dsn(Secret(dsn), "file:/dsn")
        assert found["password"] == word and found["sslmode"] == "verify-full"
        assert word not in repr(found)
    assert word not in redact(f"it says {word}") or len(word) < 6


def test_a_socket_of_this_machine_needs_no_certificate_and_a_name_elsewhere_always_does() -> None:
    assert "sslmode" not in read_dsn(Secret("host=/run/postgresql dbname=b"), "file:/dsn")
    assert "sslmode" not in read_dsn(Secret("postgresql://u@localhost/b"), "file:/dsn")
    assert read_dsn(Secret("postgresql://u@localhost/b?sslmode=require"), "file:/dsn")["sslmode"] == "require"
    found = read_dsn(Secret("postgresql://u@db.example.test/b"), "file:/dsn", Path("/etc/own.crt"))
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/etc/own.crt")
    assert read_dsn(Secret("host=db.example.test sslrootcert=/r"), "file:/dsn")["sslrootcert"] == "/r"


def test_what_nobody_expected_is_told_with_its_state_and_leads_to_the_servers_log() -> None:
    said = str(explain(psycopg.errors.lookup("XX001")("page is broken"), "db"))

    assert said.startswith("db: page is broken (XX001). See the server's log for what it says besides. ")


def test_the_server_knows_who_is_connected(recorded: RowHost) -> None:
    live = recorded.live()
    live.turn(DAY)

    assert ("alpha-harvester",) in recorded.base.run("SELECT application_name FROM pg_stat_activity")
    live.forget()
