"""Coverage-guided fuzzing of both socket decoders, by the checks of tests/property.

Run: python -m tests.fuzz.fuzz_decode [--seconds 600]
"""

from tests.fuzz.driver import Target, fuzz, instrumented, join, split

FEWEST_FRAMES_FOR_ROUNDS = 80
"""Frames repeated so often are walked by arrays, not one by one."""


def seeds() -> list[bytes]:
    """Inputs to begin with: real-shaped frames of both sockets. The first byte of an input chooses the decoder."""
    from exchange.wire import hsm, tbt

    topic = hsm.Topic("dp|nse_cm|3045", exchange="nse_cm", token="3045", text="SBIN-EQ")
    index = hsm.Topic("if|nse_cm|Nifty 50")
    feeds = hsm.feed(1, [hsm.snapshot(1, topic, range(30)), hsm.snapshot(2, index, range(8)), hsm.lite(2, 7)])
    update = hsm.feed(2, [hsm.update(1, [None] * 29 + [5]), hsm.update(2, [1]), hsm.update(9, [])])
    control = [hsm.auth_reply(), hsm.reply(hsm.SUBSCRIBE), hsm.notice(51001, "limit", hsm.SUBSCRIBE), b"\x00\x01\x0b"]
    levels = [tbt.Level(num, 100 + num, 10, 1) for num in range(3)]
    feed = tbt.Feed("NSE:A-EQ", levels, levels, 5, 6, 7, 8, 1, True, "1")
    later = tbt.Feed("NSE:A-EQ", [tbt.Level(1, None, 0)], sequence=3, other=tbt.message(1, tbt.wrapped(1, 5)))
    messages = [tbt.socket_message([feed], snapshot=True), tbt.socket_message([later])]
    notices = [tbt.socket_message([], kind=tbt.RESPONSE, text="no", error=True), b"pong"]
    return [
        b"\x00" + join([feeds, update]),
        b"\x00" + join([*control, feeds]),
        b"\x80" + join([feeds, update]),
        b"\x01" + join(messages),
        b"\x01" + join(notices + messages),
        b"\x81" + join(messages),
    ]


def make_target() -> Target:
    """The function that any input must pass through unharmed."""
    with instrumented():
        from tests.property.decode_checks import check_hsm, check_tbt

    def target(data: bytes) -> None:
        if not data:
            return
        frames = split(data[1:])
        if data[0] & 0x80:
            frames *= FEWEST_FRAMES_FOR_ROUNDS // max(len(frames), 1) + 1
        (check_tbt if data[0] & 1 else check_hsm)(frames)

    return target


if __name__ == "__main__":
    assert __doc__
    fuzz(make_target(), seeds(), __doc__)
