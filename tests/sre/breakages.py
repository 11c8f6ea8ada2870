"""The table: what is broken on the host, and the words by which an operator must be told of it.

How it is repaired stands in no row: the tests read that out of what is printed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.sre.world import ALERTS, BUCKET, CHANNELS, DATA, HOST, World

from exchange.client import call_control
from lab import faults, labs

UNITS = "/etc/systemd/system"
STATUS = "/run/harvester-recorder/status.json"
FILLER = f"{DATA}/somebody-elses"
RELOAD = "systemctl daemon-reload"
ROOT, OLDER = "/opt/harvester", "older"
DAMAGE = f"rm -r $(readlink -f {ROOT}/current/release)/lib/python3*/site-packages/msgspec"
Break = str | Callable[[World], None]


@dataclass(frozen=True)
class Breakage:
    """`words`: a pattern. `passes`: what the outside world does by itself before the remedy is tried."""

    name: str
    breaks: Break
    words: str
    told_by: Literal["host", "dead-man", "nobody"] = "host"
    market: Literal["closed", "open"] = "closed"
    named_by: tuple[str, ...] = ("status", "doctor")
    passes: Break | None = None
    needs_day: bool = False
    shows: str = ""
    """What a remedy that looks for the culprit has to show; a person then removes it."""
    given: str = ""
    """What a person types where the remedy asks; `CHANNEL` stands for the address of the channel."""
    first_six: bool = field(default=False)


def act(world: World, what: Break) -> None:
    """Do it: a script on the host as root, or a function."""
    world.host(what) if isinstance(what, str) else what(world)


def remove_file(name: str) -> str:
    return f"rm {UNITS}/{name}; {RELOAD}"


def fault(**script: object) -> Callable[[World], None]:
    """Arm a fault of the exchange."""

    def arm(world: World) -> None:
        call_control(world.state / "exchange", "POST", "/faults", json.dumps([script]).encode())

    return arm


def clear_faults(world: World) -> None:
    call_control(world.state / "exchange", "DELETE", "/faults")


def revoke(world: World) -> None:
    call_control(world.state / "exchange", "POST", "/revoke")


def partition(port: int) -> Callable[[World], None]:
    """Somebody's firewall between the host and one service."""
    return lambda world: faults.partition(labs.find_host(world.state, HOST), world.address, port)


def cut(world: World) -> None:
    faults.cut(labs.find_host(world.state, HOST))


def heal(world: World) -> None:
    faults.heal(labs.find_host(world.state, HOST))


def forget_channels(world: World) -> None:
    world.client("ssm").delete_parameter(Name=CHANNELS)


def lose_bucket(world: World) -> None:
    """Somebody deletes the bucket, and the next upload finds it so."""
    s3 = world.client("s3")
    for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    world.host(f"rm -r {DATA}/uploads/*; systemctl start harvester-upload", check=False)


def damage_one_of_two_releases(world: World) -> None:
    """What an update leaves: a release of before, by which the alerts run when that in force does not."""
    program = (world.root / "roles/harvester/files/install_release.py").read_text("utf-8")
    files = f"$(ls {ROOT}/wheelhouse/*.tar) $(ls {ROOT}/wheelhouse/*.whl)"
    world.host(f"python3 -I - {ROOT}/releases/{OLDER} {files} <<'E'\n{program}E\n{DAMAGE}")


BREAKAGES = (
    # First, because a day in which the market was open around the clock cannot be closed.
    Breakage("upload failed", lose_bucket, "harvester-upload", passes=World.make_bucket, needs_day=True),
    Breakage(
        "a day that never uploads",
        f"rm -r {DATA}/uploads/*; find {DATA}/lake -name 'manifest*' -exec touch -d '-3 hours' {{}} +",
        "not in the bucket",
        needs_day=True,
    ),
    Breakage(
        "certificate damaged",
        f"echo x >>$(find {DATA}/lake -name 'certificate*' | tail -1)",
        "certificate",
        needs_day=True,
    ),
    Breakage("token agent stopped", "systemctl stop harvester-token-agent", "harvester-token-agent", first_six=True),
    Breakage("chrony stopped", "systemctl stop chrony", "the clock right", first_six=True),
    Breakage("unit file of the close deleted", remove_file("harvester-close.service"), r"harvester-close\.service"),
    Breakage(
        "unit file of the reminders deleted",
        remove_file("harvester-remind.service"),
        "harvester-remind",
    ),
    Breakage("timer stopped", "systemctl stop harvester-close.timer", r"harvester-close\.timer", first_six=True),
    Breakage("timer disabled", "systemctl disable harvester-upload.timer", r"harvester-upload\.timer", first_six=True),
    Breakage(
        "unit masked",
        f"systemctl stop harvester-verify.timer; ln -sf /dev/null {UNITS}/harvester-verify.timer; {RELOAD}",
        "harvester-verify",
    ),
    Breakage("rules flushed", "nft flush ruleset", "rules are not loaded", first_six=True),
    Breakage(
        "recorder's unit deleted",
        f"{remove_file('harvester-recorder.service')}; systemctl stop harvester-recorder",
        r"harvester-recorder\.service",
    ),
    Breakage(
        "recorder killed again and again",
        "systemd-run --quiet --unit=somebody-kills sh -c"
        " 'for n in $(seq 100); do systemctl kill --signal=KILL harvester-recorder; sleep 1; done'; sleep 3",
        r"harvester-recorder\.service|recorder",
        passes="systemctl stop somebody-kills; systemctl reset-failed somebody-kills || true",
    ),
    Breakage(
        "recorder frozen again and again",  # once, systemd's watchdog repairs it within a minute
        "systemd-run --quiet --unit=somebody-freezes sh -c"
        " 'for n in $(seq 300); do systemctl kill --signal=STOP harvester-recorder; sleep 1; done'; sleep 12",
        r"harvester-recorder\.service|recorder",
        passes="systemctl stop somebody-freezes; systemctl reset-failed somebody-freezes || true",
    ),
    Breakage(
        "journal segment that nobody may read",
        f"cd {DATA}/journal; day=$(date +%F); mkdir -p $day; chown --reference=. $day; touch $day/1-1.open;"
        " chmod 0 $day/1-1.open; systemctl restart harvester-recorder; sleep 5",
        "the segment cannot be read",
    ),
    Breakage(
        "status file damaged",
        f"rm {STATUS}; mkdir {STATUS}",
        "state cannot be read",
        told_by="dead-man",
        market="open",
    ),
    Breakage("current leads nowhere", "ln -sfn /opt/harvester/deployments/gone /opt/harvester/current", "current"),
    Breakage("configuration corrupt", "echo '{' >$(readlink -f /etc/harvester/config.json)", "config"),
    Breakage("configuration unreadable", "chmod 000 $(readlink -f /etc/harvester/config.json)", "config"),
    Breakage("calendar corrupt", "echo '{' >/etc/harvester/calendar.json; sleep 3", "calendar"),
    Breakage("release damaged", damage_one_of_two_releases, "msgspec|release|gone"),
    Breakage(
        "only release damaged",  # nothing is left on the host that could tell
        f"rm -rf {ROOT}/releases/{OLDER}; {DAMAGE}",
        "msgspec|release|gone",
        told_by="dead-man",
        market="open",
    ),
    Breakage("no alert channel", forget_channels, "no alert channel", told_by="nobody", given="CHANNEL"),
    Breakage(
        "alert's timer stopped",
        "systemctl stop harvester-alert.timer harvester-alert.path",
        "harvester-alert",
        told_by="dead-man",
        market="open",
    ),
    Breakage("alert's inbox gone", f"rm -r {ALERTS}; systemctl stop chrony", "the clock right"),
    Breakage(
        "alert's book corrupt",
        "echo '{' >/var/lib/harvester-alert/book.json; systemctl stop chrony",
        "the clock right",
    ),
    Breakage(
        "disk full",
        f"mkdir {FILLER}; fallocate -l $(($(df --output=avail -B1 {DATA} | tail -1) - (4 << 20))) {FILLER}/1",
        f"MiB free on {DATA}",
        shows=FILLER,
    ),
    Breakage(
        "no inodes",
        f"mkdir {FILLER}; cd {FILLER}; seq $(($(df --output=iavail {DATA} | tail -1) - 5)) | xargs touch",
        f"inodes are free on {DATA}",
        shows=FILLER,
        first_six=True,
    ),
    Breakage("token revoked", revoke, "token", market="open"),
    Breakage(
        "broker behind a firewall",
        partition(443),
        r"no data of|connections up",
        market="open",
        passes=heal,
    ),
    Breakage(
        "clock off",
        fault(action="date", offset_seconds=300),
        "clock",
        market="open",
        passes=clear_faults,
    ),
    Breakage(
        "login key a quarter old", "touch -d '-100 days' /home/ubuntu/.ssh/authorized_keys", "quarter", given="y\n"
    ),
    Breakage(
        "network down", cut, rf"{HOST}.*(reach|answer|route|timed out)", told_by="dead-man", market="open", passes=heal
    ),
)
