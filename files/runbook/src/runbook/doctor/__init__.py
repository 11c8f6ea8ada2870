"""doctor: everything a first-time user can get wrong, looked at in turn, each with the way to put it right."""

from runbook.doctor.aws import examine_aws
from runbook.doctor.finding import Finding, Level
from runbook.doctor.rounds import examine

__all__ = ["Finding", "Level", "examine", "examine_aws"]
