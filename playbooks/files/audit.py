"""Summary of a host's journal of the last days: logins, refused logins, privileges used, failures, open ports.

Argument: number of days. Reads only; run as root.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

ACCEPTED = re.compile(r"Accepted (\S+) for (\S+) from (\S+) port \d+ ssh2(?:: (\S+ \S+))?")
REFUSED = re.compile(
    r"(?:Failed \S+ for (?:invalid user )?|Invalid user |"
    r"(?:Connection closed|Disconnected) (?:by|from) (?:authenticating|invalid) user )"
    r"(\S*) (?:from )?(\S+) port \d+"
)
FAILED = re.compile(r"(\S+): (?:Failed with result|Main process exited).*")
MOST = 15


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def messages(days: int, *matches: str) -> Iterator[str]:
    for line in output("journalctl", "--output=json", f"--since=-{days}d", *matches).splitlines():
        message = json.loads(line).get("MESSAGE")
        if isinstance(message, str):
            yield message


def show(title: str, counts: Counter[str], nothing: str) -> None:
    print(f"{title}:")
    for text, count in counts.most_common(MOST):
        print(f"  {count} x {text}")
    if not counts:
        print(f"  {nothing}")
    elif len(counts) > MOST:
        print(f"  and {len(counts) - MOST} more")


def main() -> None:
    days = int(sys.argv[1])
    accepted, refused = Counter[str](), Counter[str]()
    for message in messages(days, "_COMM=sshd", "+", "_COMM=sshd-session"):
        if found := ACCEPTED.match(message):
            accepted[f"{found[2]} from {found[3]} by {found[1]} {found[4] or ''}".rstrip()] += 1
        elif found := REFUSED.match(message):
            refused[f"{found[1] or '(no name)'} from {found[2]}"] += 1
    failed = Counter(found[1] for text in messages(days, "_PID=1") if (found := FAILED.match(text)))
    errors = Counter(
        text.splitlines()[0][:160]
        for text in messages(days, "_SYSTEMD_UNIT=harvester-recorder.service", "--priority=err")
    )
    banned = re.findall(r"Banned IP list:\s*(\S.*)", output("fail2ban-client", "status", "sshd"))
    listening = Counter(" ".join(line.split()[i] for i in (0, 4)) for line in output("ss", "-Htuln").splitlines())
    print(f"The last {days} days")
    show("Logins", accepted, "nobody logged in")
    show("Refused logins", refused, "nobody was refused")
    print(f"Banned now: {banned[0] if banned else 'nobody'}")
    show("Units that failed", failed, "none")
    show("Errors of the recorder", errors, "none")
    show("Listening", listening, "nothing")


main()
