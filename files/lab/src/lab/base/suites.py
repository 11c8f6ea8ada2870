"""The userlands a host can have."""

from dataclasses import dataclass

from lab.errors import LabUsageError


@dataclass(frozen=True)
class Suite:
    """A release of a distribution: its archive code name and what its base tree is made of."""

    name: str
    distribution: str
    components: tuple[str, ...]
    extra_packages: tuple[str, ...] = ()
    keyring: str | None = None


SUITES = {
    "trixie": Suite("trixie", "debian", ("main",)),
    "bookworm": Suite("bookworm", "debian", ("main",)),
    "noble": Suite(
        "noble",
        "ubuntu",
        ("main", "universe"),
        ("netplan.io", "systemd-resolved", "ubuntu-minimal"),
        "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    ),
}
DEFAULT_SUITE = "trixie"


def find_suite(name: str) -> Suite:
    """The suite called `name`; LabUsageError names those that exist."""
    if name not in SUITES:
        raise LabUsageError(f"There is no suite {name!r}. The lab knows {', '.join(SUITES)}.")
    return SUITES[name]
