"""Workers elsewhere: what is known of each, and what a person has its overseer do."""

from invoke.context import Context

from harvester.base.errors import ConfigError, HarvesterError
from runbook.tasks.here import hosts_of
from runbook.tasks.options import WHERE, operator


@operator(json="print what the overseers know as JSON", **WHERE)
def workers(_: Context, json: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Show each worker elsewhere: its state, last sign of life, step, and restarts."""
    from runbook.console.terminal import waiting
    from runbook.fleet.workers import gather, overseers
    from runbook.tasks import presentation
    from runbook.tasks.workers_table import show_workers

    hosts = overseers(hosts_of(inventory, limit))
    with waiting(f"asking {', '.join(host.name for host in hosts)}"):
        answers = gather(hosts)
    presentation.show_json([answer.to_dict() for answer in answers]) if json else show_workers(answers)
    if any(answer.error for answer in answers):
        raise HarvesterError("not every overseer could be asked; see above.")


@operator(
    name="the worker, as the command workers names it",
    restart="ask it to restart, now and whatever its budget",
    pause="judge it, but neither restart it nor tell people",
    resume="end a pause",
    undo_repair="bring back its notebook as it was before the last repair",
    **WHERE,
)
def worker(
    _: Context,
    name: str,
    restart: bool = False,
    pause: bool = False,
    resume: bool = False,
    undo_repair: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Restart, pause or resume a worker elsewhere, or undo the last repair of its notebook."""
    from runbook.console.terminal import console, waiting
    from runbook.fleet.workers import ACTIONS, act, overseers

    chosen = [action for action, said in zip(ACTIONS, (restart, pause, resume, undo_repair), strict=True) if said]
    if len(chosen) != 1:
        raise ConfigError("Choose one of --restart, --pause, --resume and --undo-repair.")
    hosts = overseers(hosts_of(inventory, limit))
    with waiting(f"waiting for the overseer of {name}"):
        said = act(hosts, name, chosen[0])
    console().print(said, markup=False)
