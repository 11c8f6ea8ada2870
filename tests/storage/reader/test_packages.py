"""The reader needs pyarrow alone; what an answer's form needs besides is imported when it is asked for, or said."""

import subprocess
import sys
from pathlib import Path

from tests.storage.reader.days import FRIDAY, THURSDAY

HEAVY = ("numpy", "pandas", "polars", "duckdb", "msgspec", "boto3", "structlog", "zstandard", "google_crc32c", "httpx")
BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_reader_imports_nothing_heavy() -> None:
    code = (
        f"import sys, harvester.reader; print([name for name in {HEAVY!r} if name in sys.modules and name != 'numpy'])"
    )
    assert run(code) == "[]"


def test_with_pyarrow_alone_rows_are_there_and_the_rest_says_what_it_needs(folder: Path) -> None:
    code = (
        BLOCK.format(names=HEAVY)
        + f"""
from harvester.reader import open_lake
from harvester.reader.errors import MissingPackageError
lake = open_lake({str(folder)!r})
print(len(lake.days()), lake.symbols("{FRIDAY}"), lake.gaps().arrow().num_rows)
answer = lake.depth("SBIN", "{THURSDAY}", session="all")
print(answer.num_rows, answer.arrow().num_rows, answer["bid_px_1"][0].as_py())
for form in (answer.polars, answer.pandas, answer.duckdb, answer.numpy, lambda: lake.depth("SBIN", "{THURSDAY}")):
    try:
        form()
        print("it worked")
    except MissingPackageError as error:
        print(error)
"""
    )
    first, second, *rest = run(code).splitlines()
    assert first.startswith("3 ")
    assert len({*second.split()[:2]}) == 1
    assert [line.rsplit("package ")[1].split(",")[0] for line in rest] == [
        "polars",
        "pandas",
        "duckdb",
        "numpy",
        "msgspec",
    ]
    assert all("pip install 'harvester[reader]'" in line for line in rest)
