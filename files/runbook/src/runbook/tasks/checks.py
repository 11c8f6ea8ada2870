"""What a change must pass, and how it measures up."""

from invoke.context import Context

from runbook.tasks.here import ROOT, report_at
from runbook.tasks.options import end, operator


@operator(
    iterable=["suite"],
    fast="the quick part, side by side: unit and property tests; no hosts, no real sessions, no Ansible",
    suite="one suite; repeatable",
    long="also the cases that take minutes",
    json="file to write cases, passed and figures to",
)
def test(
    _: Context, fast: bool = False, suite: list[str] | None = None, long: bool = False, json: str | None = None
) -> None:
    """Run the tests, suite by suite, with their figures: everything that must pass."""
    import runpy

    suites = runpy.run_path(str(ROOT / "tests" / "suites.py"))
    end(suites["run"](fast=fast, names=suite, long=long, report=report_at(json)))


@operator(
    name="one benchmark, such as close, capture, lake, reader or pull (default: all; docs/benchmarks.md names them)",
    long="the long forms, such as ten minutes of 5,000 symbols",
    json="file to write cases, passed and figures to",
)
def bench(_: Context, name: str | None = None, long: bool = False, json: str | None = None) -> None:
    """Measure against the usual ways in one run: capture, decoding, bytes at rest, query, recovery, load."""
    import runpy

    benchmarks = runpy.run_module("tests.bench.run")
    end(benchmarks["run"](name=name, long=long, report=report_at(json)))


@operator(
    package="one package of tests/mutants/packages.toml (default: all)",
    changed="only files that differ from the main branch; the report stays as it is",
    workers="mutants tested at the same time",
)
def mutants(_: Context, package: str | None = None, changed: bool = False, workers: int = 1) -> None:
    """Plant small faults, one at a time, and see which of them the packages' own tests notice."""
    import runpy

    planted = runpy.run_module("tests.mutants.run")
    end(planted["run"](package, changed=changed, workers=workers))
