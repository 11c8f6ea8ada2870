"""Bars of days past: ordered here, asked for and built by the hosts, who go on by themselves."""

from typing import TYPE_CHECKING, Any

from invoke.context import Context

from harvester.base.errors import HarvesterError
from runbook.tasks.here import awake_hosts_of
from runbook.tasks.options import WHERE, operator

if TYPE_CHECKING:
    from runbook.fleet.inventory import Host


@operator(
    since="first day, YYYY-MM-DD",
    until="last day, YYYY-MM-DD (default: yesterday in India)",
    resolution="minutes such as 5, seconds such as 30S, D, W or M",
    symbols="symbols by commas (default: those of which each host records candles)",
    **WHERE,
)
def backfill(
    _: Context,
    since: str,
    until: str | None = None,
    resolution: str = "5",
    symbols: str | None = None,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Have the hosts ask the broker for bars of days past; a second run asks only for what is missing.

    The hosts go on by themselves when this is interrupted. Depth of days past is had from nobody.
    """
    from runbook.fleet import backfill as fleet
    from runbook.fleet.turns import in_turn, raise_all
    from runbook.tasks.backfill_table import show_plan, show_result

    words = fleet.words_of(since, until, resolution, symbols)
    begun: list[Host] = []

    def give(host: "Host") -> None:
        show_plan(host.name, fleet.order(host, words))
        fleet.begin(host)
        begun.append(host)

    def look_on(host: "Host") -> None:
        status = fleet.follow(host, _Line(host.name))
        show_result(host.name, status)
        lacking = [f"{host.name}: {status['why']}"] if status["state"] == "ended" else []
        lacking += [f"{host.name}: the broker gave nothing of some days, see above."] if status["refused"] else []
        if lacking:
            raise HarvesterError(" ".join(lacking))

    failed = in_turn(awake_hosts_of(inventory, limit), give)
    raise_all(failed + in_turn(begun, look_on))


class _Line:
    """Shows how far a host is: in place at a terminal, else nothing until it ends."""

    def __init__(self, host: str) -> None:
        from runbook.console.terminal import console

        self._host, self._out = host, console(stderr=True)

    def __call__(self, status: dict[str, Any]) -> None:
        from runbook.tasks.backfill_table import describe

        if self._out.is_terminal:
            self._out.print(describe(self._host, status), end="\r", markup=False)
