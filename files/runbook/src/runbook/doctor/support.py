"""How long what runs in AWS, and what speaks to it, is still supported by those who make it."""

import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from harvester.base.market import zone
from runbook.aws.environment import Environment
from runbook.aws.functions import deployed
from runbook.doctor.finding import Finding, ok, warn

SOON = timedelta(days=180)
RUNTIMES = {"python3.12": date(2028, 10, 31), "python3.13": date(2029, 6, 30), "python3.14": date(2029, 6, 30)}
"""Last days before AWS deprecates a runtime of Lambda: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html."""
SDK_ENDS = {(3, 11): date(2028, 4, 30), (3, 12): date(2029, 4, 30), (3, 13): date(2030, 4, 30)}
"""Until when new releases of boto3 support a Python: half a year after Python itself ends,
https://aws.amazon.com/blogs/developer/python-support-policy-updates-for-aws-sdks-and-tools/."""
HOSTS_PYTHON = (3, 12)
"""Of Ubuntu 24.04, which itself has security updates until 2029-05-31."""
UPDATE = "Update this checkout (git pull); a release that goes on with a newer one is due by then."


def check_support(here: Environment, _: str) -> Iterator[Finding]:
    """The functions' runtime as AWS has it, and the SDK here and on the hosts, are supported for half a year."""
    client = here.account.client("lambda")
    names = [here.names.function(name) for name in deployed(here.variables)]
    used = sorted({str(client.get_function_configuration(FunctionName=name)["Runtime"]) for name in names})
    for runtime in used:
        yield judge(f"the functions' runtime {runtime}", RUNTIMES.get(runtime))
    for where, python in (("this machine", sys.version_info[:2]), ("hosts", HOSTS_PYTHON)):
        yield judge(f"boto3 with Python {'.'.join(map(str, python))} ({where})", SDK_ENDS.get(python))


def judge(what: str, ends: date | None, today: date | None = None) -> Finding:
    """ok while `ends` is far; None is a date that is not known here."""
    now = today or datetime.now(zone()).date()
    if ends is None:
        return warn("support", f"{what}: until when it is supported is not known here", "Look it up at AWS.")
    if ends - now < SOON:
        return warn("support", f"{what}: supported until {ends}", UPDATE)
    return ok("support", f"{what}: supported until {ends}")
