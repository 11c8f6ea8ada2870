"""How symbols are spread over connections and polls over seconds, at the limits that the broker states."""

import asyncio
import json
from importlib.resources import files

import pytest
from tests.journals import HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.hsm import TOPICS_A_CONNECTION
from harvester.brokers.fyers.sources import HsmSource, TbtSource
from harvester.brokers.fyers.symbol_lookup import SymbolLookup
from harvester.brokers.fyers.topics import SEGMENTS, topics_of
from harvester.config.feeds import HsmSettings, TbtSettings
from harvester.config.limits import RequestLimits, start_offsets


def hsm_groups(topics: dict[str, list[str]], most: int) -> list[list[str]]:
    """The topics of each connection."""
    lookup = SymbolLookup(dict, HandClock())
    lookup.remember(topics)
    source = HsmSource(tuple(topics), HsmSettings(symbols_per_connection=most), lookup)
    plans = asyncio.run(source.plan())
    return [[name for symbol in plan.symbols for name in topics[symbol]] for plan in plans]


@pytest.mark.parametrize(
    ("indices", "pairs", "most", "sizes"),
    [
        (0, 2500, 5000, [5000]),
        (0, 2501, 5000, [5000, 2]),
        (1, 2500, 5000, [4999, 2]),
        (1, 5000, 5000, [4999, 5000, 2]),
        (0, 5, 2, [4, 4, 2]),
        (3, 0, 2, [2, 1]),
    ],
)
def test_no_connection_has_more_topics_or_symbols_than_it_may(
    indices: int, pairs: int, most: int, sizes: list[int]
) -> None:
    topics = {f"I{number}": [f"if|{number}"] for number in range(indices)}
    topics |= {f"S{number}": [f"sf|{number}", f"dp|{number}"] for number in range(pairs)}

    groups = hsm_groups(topics, most)

    assert list(map(len, groups)) == sizes
    assert max(sizes) <= TOPICS_A_CONNECTION
    assert [name for group in groups for name in group] == [name for names in topics.values() for name in names]


@pytest.mark.parametrize(("symbols", "sizes"), [(5, [5]), (6, [5, 1]), (10, [5, 5]), (11, [5, 5, 1]), (15, [5, 5, 5])])
def test_a_second_connection_is_tried_only_where_the_account_has_one_left(symbols: int, sizes: list[int]) -> None:
    async def look_up(token: object) -> str | None:
        return None

    settings = TbtSettings(symbols=tuple(f"NSE:S{number}-EQ" for number in range(symbols)))

    plans = asyncio.run(TbtSource(settings, "APP", look_up).plan())

    assert [len(plan.symbols) for plan in plans] == sizes
    assert {plan.may_overlap for plan in plans} == {len(sizes) < 3}


@pytest.mark.parametrize("symbols", [1, 9, 10, 11, 20, 21])
@pytest.mark.parametrize("per_second", [1, 3, 10])
def test_no_second_has_more_polls_than_the_broker_allows(symbols: int, per_second: int) -> None:
    interval_ns = 60 * NS_PER_SECOND
    limits = RequestLimits(per_second, 1_000, 10_000_000)

    offsets = start_offsets(symbols, interval_ns, limits, 6 * 3600 * NS_PER_SECOND)

    starts = sorted(slot + offset for slot in (0, interval_ns) for offset in offsets)
    assert all(sum(at <= other <= at + NS_PER_SECOND for other in starts) <= per_second for at in starts)


def test_segments_are_those_of_the_brokers_sdk() -> None:
    theirs = json.loads(files("fyers_apiv3.FyersWebsocket").joinpath("map.json").read_text())

    assert theirs["exch_seg_dict"] == SEGMENTS
    assert topics_of("NSE:SBIN-EQ", "10100000003045", {}) == ["sf|nse_cm|3045", "dp|nse_cm|3045"]
    assert topics_of("NSE:SBIN-EQ", "99990000003045", {}) == []
