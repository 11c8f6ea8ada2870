"""doctor: everything a first-time user can get wrong, looked at in turn, each with the way to put it right."""

from harvester.ops.doctor.aws import examine_aws
from harvester.ops.doctor.finding import Finding, Level
from harvester.ops.doctor.rounds import examine

__all__ = ["Finding", "Level", "examine", "examine_aws"]
