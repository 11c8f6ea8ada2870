"""doctor: checks of this machine, the hosts and the account in AWS; each finding says what to do."""

from runbook.doctor.aws import examine_aws
from runbook.doctor.finding import Finding, Severity
from runbook.doctor.hosts import examine
from runbook.doctor.production import examine_production

__all__ = ["Finding", "Severity", "examine", "examine_aws", "examine_production"]
