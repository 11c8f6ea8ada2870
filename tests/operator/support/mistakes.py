"""What people get wrong on a command line, and the place in which they do."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.operator.support.made_lake import LakeMaker

DAY = "2026-11-20"

UNPLACED = {"database": "mydb", "tables": [{"name": "my_schema.ticks"}]}
"""Backups that go to no bucket."""


@dataclass(frozen=True)
class Mistake:
    """A command line with names of the place in braces, its exit code, and what the message is about."""

    line: str
    code: int
    says: str


def make_place(root: Path) -> None:
    """A directory with data to lose: a lake, a file, inventories of a host that is dead and of this machine."""
    LakeMaker(root / "host/lake", raw_bytes=1_000).add_day(DAY)
    shutil.copytree(root / "host/lake", root / "pulled/lake")
    (root / "pulled/.lock").touch()
    (root / "file").write_text("not to be lost\n", encoding="utf-8")
    (root / "empty").mkdir()
    settings = {"data_dir": str(root / "host")}
    hosts = {
        "dead": {"ansible_host": "127.0.0.1", "ansible_port": 9},  # nothing listens on the port of `discard`
        "here": {"ansible_connection": "local", "harvester_settings": settings},
        "unplaced": {"ansible_host": "127.0.0.1", "ansible_port": 9, "database_backup": UNPLACED},
        "unplaced-here": {"ansible_connection": "local", "database_backup": UNPLACED},
    }
    for name, variables in hosts.items():
        content = {"harvesters": {"hosts": {name: variables}}}
        (root / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (root / "config.json").write_text("{", encoding="utf-8")


MISTAKES = [
    # the command itself
    Mistake("inv tets", 2, r"there is no command 'tets'\. Did you mean test\?"),
    Mistake("inv zzz", 2, r"there is no command 'zzz'\. `\./inv --list`"),
    Mistake("inv --nope", 2, r"there is no option --nope"),
    Mistake("inv --help tets", 2, r"there is no command 'tets'\. Did you mean test\?"),
    Mistake("inv test --suit operator", 2, r"test: there is no option --suit\. Did you mean --suite\?"),
    Mistake("inv status everything", 2, r"status: it takes no word 'everything'\. `\./inv --help status`"),
    Mistake("inv query", 2, r"query: --sql is missing\."),
    Mistake("inv token-push --broker schwab --stdin --inventory {here}", 2, r"--stdin and --paste are for Fyers"),
    Mistake("inv doctor --production --aws", 2, r"--production goes without --aws and --before"),
    Mistake("inv replace-host", 2, r"replace-host: --host is missing\."),
    Mistake("inv backfill", 2, r"backfill: --since is missing\."),
    Mistake("inv worker", 2, r"worker: --name is missing\."),
    Mistake("inv worker colab", 2, r"Choose one of --restart, --pause, --resume and --undo-repair"),
    Mistake("inv worker colab --restart --pause", 2, r"Choose one of --restart, --pause, --resume and --undo-repair"),
    Mistake("inv workers --inventory {here}", 2, r"No host watches workers: the inventory sets overseer_settings"),
    Mistake("inv run-job", 2, r"run-job: --name is missing\."),
    Mistake("inv backfill --since 20-11-2026 --inventory {here}", 2, r"--since '20-11-2026' is not a date"),
    Mistake("inv backfill --since 2026-11-02 --resolution 7", 2, r"'7' is no resolution that the broker has"),
    Mistake("inv query --sql", 2, r"query: --sql needs a value"),
    Mistake("inv pull-data --since", 2, r"pull-data: --since needs a value"),
    Mistake("inv pull-data --from", 2, r"pull-data: --from needs a value"),
    Mistake("inv --command-timeout abc status", 2, r"--command-timeout: 'abc' is not a whole number"),
    Mistake("inv --list-format nope --list", 2, r"--list-format: 'nope' is none of flat, nested, json"),
    Mistake("inv --search-root {empty} status", 2, r"inv: Can't find any collection"),
    Mistake("inv test --suite nope", 2, r"test: There is no suite named nope\. There are: "),
    Mistake("inv bench --name nope", 2, r"bench: There is no benchmark named nope"),
    Mistake("inv mutants --package nope", 2, r"mutants: There is no package 'nope'"),
    # numbers
    Mistake("inv demo --seconds abc", 2, r"--seconds: 'abc' is not a whole number"),
    Mistake("inv demo --seconds=-5", 2, r"--seconds: -5 is less than 0"),
    Mistake("inv demo --here --seconds 0", 2, r"--seconds: must be 5 or more"),
    Mistake("inv logs --lines abc", 2, r"--lines: 'abc' is not a whole number"),
    Mistake("inv logs --lines -3", 2, r"--lines: -3 is less than 0"),
    Mistake("inv logs --lines 1.5", 2, r"--lines: '1\.5' is not a whole number"),
    Mistake("inv cleanup --keep-days x", 2, r"--keep-days: 'x' is not a whole number"),
    Mistake("inv cleanup --keep-days=-1", 2, r"--keep-days: -1 is less than 0"),
    Mistake("inv cleanup --keep-days 1 --inventory {here} --output {pulled}", 2, r"--keep-days 1 is less than 2"),
    Mistake("inv tunnel --to x", 2, r"--to: 'x' is not a whole number"),
    Mistake("inv tunnel --to 99999 --inventory {here}", 2, r"There is no port 99999: ports are 1 to 65535"),
    Mistake("inv live --here x", 2, r"--here: 'x' is not a whole number"),
    Mistake("inv live --here 99999 --inventory {here}", 2, r"There is no port 99999: ports are 1 to 65535"),
    Mistake("harvester live --config {config}", 2, r"config\.json: not valid JSON"),
    Mistake("inv lab-up --hosts=-1", 2, r"--hosts: -1 is less than 1"),
    Mistake("inv lab-up --hosts 0", 2, r"--hosts: 0 is less than 1"),
    Mistake("inv mutants --workers 0", 2, r"--workers: 0 is less than 1"),
    Mistake("harvester cleanup --plan --receipt {file} --keep-days x", 2, r"--keep-days: invalid int value: 'x'"),
    Mistake("harvester cleanup --plan --receipt {file} --keep-days -1", 2, r"--keep-days: must be 0 or more"),
    Mistake("harvester sessions --free-for -3", 2, r"--free-for: must be 0 or more"),
    Mistake("harvester verify --every-days -1 {pulled}/lake", 2, r"--every-days: must be 0 or more"),
    Mistake(
        "harvester export --csv --date 2026-11-20 --output {empty} --lake {pulled}/lake --every x", 2, r"--every 'x'"
    ),
    Mistake("exchange serve --state {empty} --port 99999", 2, r"--port: must be from 0 to 65535"),
    Mistake("exchange serve --state {empty} --port -1", 2, r"--port: must be from 0 to 65535"),
    Mistake("exchange serve --state {empty} --port abc", 2, r"--port: invalid int value"),
    Mistake("exchange serve --state {empty} --token-seconds 99999999999999999", 2, r"--token-seconds: must be from 1"),
    Mistake("exchange serve --state {empty} --busy nan", 2, r"--busy: must be from 0\.001 to 1000"),
    Mistake("lab demo --seconds -5", 2, r"--seconds: must be 5 or more"),
    Mistake("lab fault slow h1 --kilobits 0", 2, r"--kilobits: must be 1 or more"),
    Mistake("lab up --disk /x=99999999999999999999", 2, r"--disk .* is not PATH=BYTES up to 16 TiB"),
    # dates, names and empty values
    Mistake("inv verify-data --since 2026-13-01 --output {pulled}", 2, r"--since '2026-13-01' is not a date"),
    Mistake("inv verify-data --since 2026-12-01 --until 2026-11-01", 2, r"--since 2026-12-01 is after --until"),
    Mistake("inv pull-data --from nope", 2, r"--from 'nope' is none of host and s3"),
    Mistake("inv pull-data --format xml", 2, r"--format 'xml' is none of parquet and csv"),
    Mistake("inv pull-data --from s3 --bucket Bad_Bucket", 2, r"--bucket: .*bucket: must be"),
    Mistake("inv pull-database --local mine", 2, r"--local 'mine' is none of refuse, keep, overwrite"),
    Mistake("inv pull-database --place Bad_Bucket --database x", 2, r"--place: .*bucket: must be"),
    Mistake("inv pull-database --inventory {here}", 2, r"database_backup for 0 of the chosen hosts"),
    Mistake("inv pull-database --inventory {unplaced}", 1, r"nothing listens on its SSH port"),
    Mistake("inv restore --to 2026-11-20 --inventory {unplaced}", 1, r"nothing listens on its SSH port"),
    Mistake("inv pull-database --inventory {unplaced-here}", 2, r"is this very machine.*Set place to a bucket"),
    Mistake("inv restore", 2, r"restore: --to is missing\."),
    Mistake("inv restore --to yesterday", 2, r"--to 'yesterday' is not a date"),
    Mistake("inv stop --limit ''", 2, r"--limit: the value is empty"),
    Mistake("inv pull-data --output ''", 2, r"--output: the value is empty"),
    Mistake("inv status --inventory ''", 2, r"--inventory: the value is empty"),
    Mistake("inv allow-me --network 203.0.113.7/99", 2, r"'203\.0\.113\.7/99' is no network"),
    Mistake("inv lab-up --suite nope", 2, r"--suite: invalid choice: 'nope'"),
    Mistake("harvester sessions --date 20-11-2026", 2, r"'20-11-2026' is not a date"),
    Mistake("harvester sessions --date ''", 2, r"'' is not a date"),
    Mistake("harvester colse", 2, r"invalid choice: 'colse'"),
    Mistake('harvester athena-ddl --bucket "a\'b" --host h1', 2, r"--bucket .*a'b"),
    Mistake("exchange serve --state {empty} --redirect-uri http://[::1", 2, r"--redirect-uri: is no address"),
    Mistake("lab up --name UPPER", 2, r"--name 'UPPER' is not NAME"),
    # places
    Mistake("inv verify-data --output {file}", 2, r"--output .*file: .*file is not a directory"),
    Mistake("inv verify-data --output /dev/null", 2, r"--output /dev/null: /dev/null is not a directory"),
    Mistake("inv pull-data --output {file}/deeper --inventory {here}", 2, r"--output .*file is not a directory"),
    Mistake("inv pull-data --output /dev/null --inventory {here}", 2, r"--output /dev/null: /dev/null is not"),
    Mistake("inv cleanup --output {file}", 2, r"--output .*file is not a directory"),
    Mistake("inv cleanup --archive {file} --output {pulled}", 2, r"--archive .*file is not a directory"),
    Mistake("inv export", 2, r"export: --to is missing\."),
    Mistake("inv export --to csv --lake {file}", 2, r"file is not a directory"),
    Mistake("inv export --to csv --lake {pulled}/lake --output {file}", 2, r"file is not a directory"),
    Mistake("inv query --sql 'select 1' --lake {file}", 2, r"file is not a directory"),
    Mistake("inv query --sql 'selec 1' --lake {pulled}/lake", 2, r"selec"),
    Mistake("inv test --suite lint --json {empty}/deeper/figures.json", 2, r"--json .*: there is no directory"),
    Mistake("inv test --suite lint --json {empty}", 2, r"--json .* is a directory"),
    Mistake("inv bench --name lake --json {file}/x", 2, r"--json .*: there is no directory"),
    Mistake("inv demo --here --summary {empty}/deeper/x.json", 2, r"--summary .*: there is no directory"),
    Mistake("inv configure --answers {empty}/nothing", 2, r"nothing cannot be read \(No such file or directory\)"),
    Mistake("inv configure --answers {file}", 2, r"file is not JSON"),
    Mistake(
        "inv configure --worker --output {empty}/nothing", 2, r"nothing is no directory with an inventory\. Correct"
    ),
    Mistake("inv configure --worker --output {file}", 2, r"file is no directory with an inventory\. Correct --output"),
    Mistake("inv configure --host h1", 2, r"--host belongs to --worker\."),
    Mistake("inv configure --answers {empty}", 2, r"empty cannot be read \(Is a directory\)"),
    Mistake("inv deploy --inventory {empty}/nothing", 2, r"There is no inventory at .*nothing"),
    Mistake("inv stop --inventory {empty}/nothing", 2, r"There is no inventory at .*nothing"),
    Mistake("inv status --inventory {empty}/nothing", 2, r"There is no inventory at .*nothing"),
    Mistake("inv pull-data --inventory {dead} --output {pulled}", 1, r"nothing listens on its SSH port"),
    Mistake("inv pull-data --inventory {here} --limit nohost", 2, r"no host matching 'nohost'"),
    Mistake("inv status --inventory {dead}", 3, r"nothing listens on its SSH port"),
    Mistake("harvester verify {file}", 1, r"file: .*not a lake"),
    Mistake("harvester sessions --config {config}", 2, r"config\.json: not valid JSON"),
    Mistake("harvester sessions --config {empty}", 2, r"empty: the configuration cannot be read \(Is a directory\)"),
    Mistake(
        f"harvester export --csv --date {DAY} --output {{file}} --lake {{pulled}}/lake",
        2,
        r"--output .*not a directory",
    ),
    Mistake(f"harvester export --csv --date {DAY} --output /dev/null --lake {{pulled}}/lake", 2, r"--output /dev/null"),
    Mistake(
        "harvester token-file --take {empty} --file {file}", 1, r"empty: the file cannot be read \(Is a directory\)"
    ),
    Mistake("exchange serve --state {file} --port 0", 2, r"file: the exchange cannot keep its state there"),
    Mistake("exchange serve --state {empty} --port 0 --calendar {file}", 2, r"file: the trading calendar is not valid"),
    Mistake("exchange serve --state {empty} --holiday-list {empty}/nothing", 2, r"--holiday-list: there is no file"),
    Mistake("exchange serve --state {empty} --port 0 --faults {file}", 2, r"file: the fault script is not valid JSON"),
    Mistake("exchange replay {empty} --date 2026-11-20", 2, r"no recorded segments of 2026-11-20"),
    Mistake("exchange fault --state {empty} []", 1, r"control socket does not answer"),
    Mistake("exchange run -- {empty}/nothing", 127, r"nothing: command not found"),
    Mistake("lab --state {file} exec h1", 2, r"has no host 'h1'"),
]
