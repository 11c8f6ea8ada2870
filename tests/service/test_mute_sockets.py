"""Sockets that say nothing any more: noticed in time, for which this has the machine to itself."""

from pathlib import Path
from typing import Any

from tests.conftest import Figure
from tests.recorder.sockets import SocketBroker
from tests.service.process import Service
from tests.streams.streaming import BOTH, SBIN, covered, record, snapshot_of, take_in

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT

MUTE_SECONDS = 2.0


def test_a_mute_socket_is_noticed_in_time(tmp_path: Path, certificate: tuple[Path, Path], figure: Figure) -> None:
    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()} and {covered('fyers-tbt')}")
        broker.is_mute = True
        for feed in ("fyers-hsm", "fyers-tbt"):
            await service.wait_for(f"[one['state'] for one in status['feeds']['{feed}']['connections']]"
                                   " == ['idle', 'subscribed']")  # fmt: skip
        broker.is_mute = False
        await service.wait_for(f"{covered()} and {covered('fyers-tbt')}")
        await take_in(service)

    options: dict[str, Any] = BOTH | {"tbt": {"symbols": [SBIN], "mute_seconds": MUTE_SECONDS}}
    audit, _ = record(tmp_path, certificate, story, **options)

    slowest = 0.0
    for feed in (FYERS_HSM, FYERS_TBT):
        audit.check_gaps(SBIN, feed)
        assert "mute" in audit.causes(SBIN, feed)
        first, second = audit.of(feed)[:2]
        assert first.end
        assert first.end["cause"] == "mute"
        mute = next(gap for gap in audit.gaps_of(SBIN, feed) if gap[0] == "mute")
        last_data = max(wall for wall, payload in first.messages)
        assert mute[1] == last_data
        slowest = max(slowest, (mute[2] - last_data) / NS_PER_SECOND - MUTE_SECONDS)
        if feed == FYERS_HSM:
            assert mute[2] == snapshot_of(second)
    figure("mute_replaced_after_limit_s", round(slowest, 2), bound="<= 2", unit="s", gate=True)
