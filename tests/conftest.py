"""Shared by every suite: the repository's root, the recorded data beside it, and measured figures with their bounds."""

import atexit
import gc
import json
import operator
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import settings
from structlog.contextvars import clear_contextvars
from tests.examples import FEW, FEW_DIVISOR, LONG, SHORT

from harvester.base.redaction import forget_secrets

ROOT = Path(__file__).resolve().parent.parent
RECORDED_DATA = ROOT.parent / "shared" / "data"
CASES = ROOT.parent / "shared" / "cases"
COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}
FIGURES = pytest.StashKey[dict[str, dict[str, object]]]()

Figure = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--few", action="store_true", help="try a third of the examples of each property, and of alike cases"
    )
    parser.addoption("--long", action="store_true", help="run the cases that take minutes, too")
    parser.addoption("--pictures", action="store_true", help="write the pictures that documents show into docs/")
    parser.addoption("--figures", type=Path, metavar="FILE", help="write cases, passed and figures as JSON to FILE")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}
    read_models_once()
    settings.load_profile(LONG if config.getoption("--long") else FEW if config.getoption("--few") else SHORT)


def read_models_once() -> None:
    """The AWS SDK reads megabytes of JSON for the first client of each session, which took seconds of every suite."""
    load_file = cache(partial(JSONFileLoader.load_file, JSONFileLoader()))
    JSONFileLoader.load_file = lambda self, file_path: load_file(file_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--few"):
        items[:] = sample(items)
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --long"))


def sample(items: list[pytest.Item]) -> list[pytest.Item]:
    """Of a test with the mark `few` every third case, the first included."""
    alike = Counter[str]()
    found = []
    for item in items:
        test = item.nodeid.partition("[")[0]
        if not item.get_closest_marker("few") or alike[test] % FEW_DIVISOR == 0:
            found.append(item)
        alike[test] += 1
    return found


def pytest_collection_finish() -> None:
    """Hundreds of thousands of objects live to the end: looking at them at each full collection took seconds."""
    gc.freeze()
    atexit.register(gc.unfreeze)  # some libraries tell what was not let go of


@pytest.fixture(autouse=True)
def no_words_kept() -> Iterator[None]:
    """What a test registers as secret, the host of a channel for instance, is not masked in the next one's words.

    And the run that a recorder in this process named is in nobody else's log lines.
    """
    yield
    forget_secrets()
    clear_contextvars()


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def recorded_data() -> Path:
    """Real recorded market data, read in place: its licences forbid a copy in this repository."""
    if not RECORDED_DATA.is_dir():
        pytest.skip("the recorded market data is not beside this checkout")
    return RECORDED_DATA


@pytest.fixture
def cases() -> Path:
    """Rows and answers of the field that a program must cope with, read in place like the recorded data."""
    if not CASES.is_dir():
        pytest.skip("the cases from the field are not beside this checkout")
    return CASES


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Record a measured figure with its bound, such as `figure("lost", 0, bound="== 0", unit="records", gate=True)`.

    With gate=True a figure out of its bound fails the test: for correctness, never for timings.
    """

    def record(name: str, value: float, *, bound: str, unit: str, gate: bool = False) -> None:
        request.config.stash[FIGURES][name] = {"value": value, "bound": bound, "unit": unit}
        comparison, limit = bound.split()
        within = COMPARE[comparison](value, float(limit))
        assert within or not gate, f"{name} is {value} {unit}, its bound is {bound}"

    return record


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _outcomes[report.nodeid] = report.outcome


_outcomes: dict[str, str] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[FIGURES]
    if figures:
        terminalreporter.section("figures")
    for name, row in figures.items():
        terminalreporter.line(f"{name} = {row['value']} {row['unit']} (bound {row['bound']})")
    target = config.getoption("--figures")
    if target:
        ran = [outcome for outcome in _outcomes.values() if outcome != "skipped"]
        failed = [case for case, outcome in _outcomes.items() if outcome not in ("passed", "skipped")]
        summary = {"cases": len(ran), "passed": ran.count("passed"), "failed": failed, "figures": figures}
        target.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
