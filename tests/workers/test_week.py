"""A week of one worker: every message of it, when each death is noticed, and that nobody healthy is restarted."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.workers.weeks import HOUR, MINUTE, START, World, status

from harvester.workers.memory import Act

DAY = 24 * 60


def _week(minute: int) -> bytes | str:
    """Alive but for: dead on Monday from 10:00 to 11:40; Drive gone on Tuesday from 02:00 to 14:00; slow on Wednesday
    from 08:00 to 08:50; stuck on Thursday from 00:00 to 07:00; dead on Friday from 06:00 to 20:00; done on Sunday."""
    beat, step = minute // 10 * 10, minute // 10
    if 600 <= minute < 700:
        beat, step = 600, 60
    if DAY + 120 <= minute < DAY + 840:
        return "drive: no route to host"
    if 2 * DAY + 480 <= minute < 2 * DAY + 530:
        beat, step = 2 * DAY + 480, (2 * DAY + 480) // 10
    if 3 * DAY <= minute < 3 * DAY + 420:
        step = 3 * DAY // 10
    if 4 * DAY + 360 <= minute < 4 * DAY + 1200:
        beat, step = 4 * DAY + 360, (4 * DAY + 360) // 10
    if minute >= 6 * DAY:
        beat, step = 6 * DAY, 6 * DAY // 10
    return status(START + beat * MINUTE, step, finished=minute >= 6 * DAY)


def test_the_messages_of_a_week_are_exactly_these(figure: Callable[..., None]) -> None:
    world = World()
    world.run(7 * DAY, _week)
    friday = 4 * DAY + 360
    assert world.told() == [
        (690, "critical", "missed"),
        (700, "clear", "missed"),
        (DAY + 145, "warning", "unseen"),
        (DAY + 840, "clear", "unseen"),
        (3 * DAY + 360, "critical", "missed"),
        (3 * DAY + 420, "clear", "missed"),
        (friday + 90, "critical", "missed"),
        # Thursday's restart is one of the three of these 24 hours until 06:00, so Friday has its own three.
        (friday + 210, "critical", "missed"),
        (friday + 270, "critical", "budget"),
        (friday + 840, "clear", "budget"),
        (friday + 840, "clear", "missed"),
    ]
    assert world.restarts() == [690, 3 * DAY + 360, friday + 90, friday + 150, friday + 210]
    deaths = {600: 690, friday: friday + 90}
    noticed = [first - died for died, first in deaths.items()]
    figure("a death is noticed after the last sign of life", max(noticed), bound="<= 95", unit="min", gate=True)
    stuck = next(at for at in world.restarts() if at > 3 * DAY) - 3 * DAY
    figure("a step that stands still is noticed", stuck, bound="<= 365", unit="min", gate=True)


Spell = tuple[int, str]


@examples(60)
@given(
    spells=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from(["seen", "seen", "seen", "blind", "off"])), max_size=40
    ),
    every=st.sampled_from([5, 10, 20]),
    offset=st.integers(-14, 14),
    look=st.sampled_from([2, 5, 15]),
    rate=st.integers(1, 15),
)
def test_nobody_healthy_is_ever_restarted(spells: list[Spell], every: int, offset: int, look: int, rate: int) -> None:
    """Whatever its clock says, however often it cannot be seen, and though its overseer is off for hours.

    While Drive is away it cannot write, either; after that its next status comes within its interval.
    """
    world, away_until = World(look=look), 0

    def seen(minute: int) -> bytes:
        beat = max(minute // every * every, 0)
        if away_until and minute - away_until < every:
            beat = written[0]
        written[0] = beat
        return status(START + beat * MINUTE + offset * HOUR, beat // every // rate)

    written = [0]
    for looks, kind in spells:
        if kind == "off":
            world.minute += looks * look * 4
        elif kind == "blind":
            world.run(looks * look, lambda _: "unreachable")
            away_until = world.minute
        else:
            world.run(looks * look, seen)
    assert world.restarts() == []
    assert not [act for _, act in world.done if act.cause == "missed"]


@examples(60)
@given(died=st.integers(60, 2000), blind=st.lists(st.integers(0, 600), max_size=30), look=st.sampled_from([2, 5, 15]))
def test_every_death_is_noticed_soon_after_ninety_minutes_in_which_it_could_be_seen(
    died: int, blind: list[int], look: int
) -> None:
    """Single looks that fail put it off by one look each time; no more than three restarts in 24 hours follow."""
    world = World(look=look)
    failed = {died + each for each in blind if each % 3 == 0}
    world.run(
        died + 20 * 60,
        lambda minute: "cut" if minute in failed else status(START + min(minute, died) * MINUTE, min(minute, died)),
    )
    first = world.restarts()[0]
    assert died + 90 - look <= first <= died + 90 + look * (1 + len(failed)) + 30
    assert len(world.restarts()) <= 3
    told = [act for _, act in world.done if act.kind == "tell" and act.severity == "critical"]
    assert [act.cause for act in told] == ["missed", "missed", "budget"]


def test_what_is_done_is_a_list_of_acts() -> None:
    """A guard of the tests above: a world in which nothing is ever done would pass them."""
    world = World()
    world.run(100, lambda _: None)
    assert isinstance(world.done[0][1], Act)
