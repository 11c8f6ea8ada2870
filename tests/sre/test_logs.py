"""The log of a booted host in CloudWatch: read by the real journalctl, from within its unit's sandbox."""

import json
from collections import Counter

from tests.sre.world import CHANNELS, HOST, LOG_GROUP, TOKEN, World

RECORDER = "harvester-recorder.service"


def test_what_journald_has_of_the_recorder_is_in_cloudwatch_once_and_no_secret(world: World) -> None:
    send(world)
    world.host("systemctl restart harvester-recorder")
    mark = world.host("date +%s%N").stdout.strip()
    world.host(f"logger --priority user.notice 'mark {mark}' && journalctl --sync")
    shown = world.host(
        f"journalctl --boot --unit {RECORDER} --output json --output-fields=MESSAGE,_SYSTEMD_UNIT"
    ).stdout
    send(world)

    texts = stored(world)
    sent = [json.loads(text) for text in texts]

    assert [one for one in sent if one["message"] == f"mark {mark}"], "what others than our units say is there, too"
    there = [json.loads(line) for line in shown.splitlines()]
    said = Counter(one["MESSAGE"] for one in there if one.get("_SYSTEMD_UNIT") == RECORDER)
    assert said and not said - Counter(one["message"] for one in sent if one.get("unit") == RECORDER)
    assert Counter(texts)[next(text for text in texts if mark in text)] == 1
    client = world.client("ssm")
    for name in (TOKEN, CHANNELS):
        secret = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        assert not [text for text in texts if secret in text]


def send(world: World) -> None:
    """A run that begins now: the first start may join one of the timer's that is under way."""
    done = world.host("systemctl start harvester-logs && systemctl start harvester-logs", check=False)
    assert done.returncode == 0, world.host("journalctl --unit harvester-logs --lines 20 --output cat").stdout


def stored(world: World) -> list[str]:
    """The events of the host's stream."""
    client, found, token = world.client("logs"), [], None
    while True:
        more = {"nextToken": token} if token else {}
        page = client.get_log_events(logGroupName=LOG_GROUP, logStreamName=HOST, startFromHead=True, **more)
        if not page["events"]:
            return found
        found += [event["message"] for event in page["events"]]
        token = page["nextForwardToken"]
