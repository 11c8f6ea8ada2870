"""Operators' tasks, as the runbook groups them. `./inv --list` names them, `./inv --help TASK` explains one."""

from invoke.collection import Collection
from invoke.tasks import Task

from runbook.tasks import aws, backfill, checks, data, database, hosts, lab, monitoring, tokens, workers

GROUPS = (tokens, monitoring, workers, hosts, data, backfill, database, aws, lab, checks)

namespace = Collection(*(found for group in GROUPS for found in vars(group).values() if isinstance(found, Task)))
