"""A day brought by a delivery: what its receipt lacks, each item put and verified, and the receipt kept."""

from collections.abc import Iterable
from dataclasses import replace

from harvester.base.errors import HarvesterError
from harvester.deliver.protocol import DayOutcome, Delivery, ForeignError, ItemError, Kind, Plan, Sent
from harvester.deliver.receipts import DayReceipt
from harvester.lake.layout import Partition


def deliver(delivery: Delivery[Kind, Sent], day: Partition) -> DayOutcome:
    """Bring what of a day is not at the place yet; an item in trouble does not hold up the others.

    Raises HarvesterError where the place refuses everything alike, or no receipt can be kept. What was verified until
    then is in the receipt.
    """
    outcome = DayOutcome(day)
    try:
        plan = delivery.plan(day)
    except HarvesterError as error:
        outcome.problems.append(str(error))
        return outcome
    receipt = delivery.receipt(day)
    if receipt.manifest == plan.seal:
        outcome.complete = True
    elif plan.left_out:
        outcome.left_out = plan.left_out
    else:
        _bring(delivery, plan, receipt, outcome)
    return outcome


def _bring(delivery: Delivery[Kind, Sent], plan: Plan[Kind], receipt: DayReceipt, outcome: DayOutcome) -> None:
    before = replace(receipt, files=dict(receipt.files))
    try:
        outcome.put, outcome.bytes = _bring_items(delivery, plan.items, receipt, outcome)
        if not outcome.problems:
            _bring_items(delivery, plan.last, receipt, outcome)
        if not outcome.problems:
            receipt.manifest, receipt.counts = plan.seal, plan.counts
            outcome.complete = outcome.new = True
    finally:
        if receipt != before:
            delivery.keep(outcome.partition, receipt)


def _bring_items(
    delivery: Delivery[Kind, Sent], items: Iterable[Kind], receipt: DayReceipt, outcome: DayOutcome
) -> tuple[int, int]:
    """How many were brought, and their bytes."""
    count = size = 0
    for item in items:
        if receipt.covers(item.path, item.sha256):
            continue
        try:
            receipt.files[item.path] = delivery.verify(item, delivery.put(item))
        except ItemError as error:
            if error.ends_run:
                raise
            outcome.problems.append(str(error))
            outcome.foreign |= isinstance(error, ForeignError)
        else:
            count, size = count + 1, size + item.bytes
    return count, size
