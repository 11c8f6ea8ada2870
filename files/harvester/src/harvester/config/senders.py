"""Who tells people what: a fleet lacks one login, so one sender asks for it and not every host.

The reminder in AWS, where it is deployed, looks at the token's store; a host looks at its own recorder, which alone
knows whether it runs and whether the broker refuses the token. Once data is being lost every host tells of its own: the
sender may be down itself, or a host may not have taken up the token that the others use.
"""

from collections.abc import Collection
from typing import Literal, get_args

HostCause = Literal["recorder_down", "token_refused", "no_token", "token_too_short"]
CAUSES: tuple[HostCause, ...] = get_args(HostCause)
"""What a host can tell people of."""
OWN: tuple[HostCause, ...] = ("recorder_down",)
"""What is one host's own trouble, and so never another's to tell."""
UNSEEN: tuple[HostCause, ...] = ("token_refused",)
"""What concerns the whole fleet, and is not seen in the token's store."""


def causes_of(host: str, fleet: Collection[str], *, reminder: bool, source: str) -> tuple[HostCause, ...]:
    """What this host tells people of; `reminder`: the function of that name is deployed, `source`: its token.source.

    The function sees SSM alone, so a host that takes its token from elsewhere asks for itself. Without the function the
    first host of the fleet by name asks; where the function asks, that host tells what the function cannot see.
    """
    if reminder and source != "ssm":
        return CAUSES
    if host != min(fleet, default=host):
        return OWN
    return OWN + UNSEEN if reminder else CAUSES
