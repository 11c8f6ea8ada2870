"""Our decoders against the broker's SDK on the same frames in one run: CPU time, median of alternating passes."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.bench import days
from tests.bench.report import Report
from tests.differential.sdk import SdkHsm, SdkTbt

from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import TbtDecoder

PASSES, LONG_PASSES = 9, 25
HSM_BATCH, TBT_BATCH = 4096, 512
BOUNDS = {"hsm_decode_vs_sdk": ">= 20", "tbt_decode_vs_sdk": ">= 8"}

Run = Callable[[Sequence[bytes]], object]


@dataclass(frozen=True)
class Case:
    """One kind of frames, how both decode them, and the figure that its ratio is, if any."""

    label: str
    frames: list[bytes]
    updates: int
    ours: Run
    sdk: Run
    sdk_share: int = 8
    """The SDK gets every so-manieth part of the frames: it is slow."""
    figure: str | None = None


def hsm_cases() -> Iterator[Case]:
    """Depth updates of the data socket."""
    ours, sdk = HsmDecoder(), SdkHsm(days.depth_topics())
    sdk.socket.OnMessage = lambda _message: None
    ours.decode(days.depth_snapshots())
    for frame in days.depth_snapshots():
        sdk.receive(frame)

    def run_sdk(frames: Sequence[bytes]) -> None:
        for frame in frames:
            sdk.receive(frame)

    def run_ours(frames: Sequence[bytes]) -> None:
        for start in range(0, len(frames), HSM_BATCH):
            ours.decode(frames[start : start + HSM_BATCH])

    count = 4 * HSM_BATCH
    for changed, entries, figure in ((30, 1, "hsm_decode_vs_sdk"), (6, 1, None), (6, 10, None)):
        frames = days.depth_updates(count // entries, changed=changed, entries=entries)
        label = f"HSM depth update, {changed} of 30 values, {entries} a frame"
        yield Case(label, frames, len(frames) * entries, run_ours, run_sdk, figure=figure)


def tbt_cases() -> Iterator[Case]:
    """Messages of the 50-level socket."""
    for levels, figure in ((50, "tbt_decode_vs_sdk"), (10, None), (3, None)):
        ours, sdk = TbtDecoder(), SdkTbt()
        sdk.socket.onDepthUpdate = lambda _ticker, _depth: None

        def run_sdk(frames: Sequence[bytes], receive: Callable[[bytes], None] = sdk.receive) -> None:
            for frame in frames:
                receive(frame)

        def run_ours(frames: Sequence[bytes], decode: Run = ours.decode) -> None:
            for start in range(0, len(frames), TBT_BATCH):
                decode(frames[start : start + TBT_BATCH])

        frames = list(days.tbt_messages(4 * TBT_BATCH, levels=levels))
        form = "snapshot" if levels == 50 else "diff"
        yield Case(f"TBT {form}, {levels} + {levels} levels", frames, len(frames), run_ours, run_sdk, 4, figure)


def seconds(run: Run, frames: Sequence[bytes]) -> float:
    """CPU seconds of one pass."""
    began = time.process_time()
    run(frames)
    return time.process_time() - began


def measure(case: Case, passes: int) -> tuple[float, float, float]:
    """Updates per CPU second, ours and the SDK's, and the median of the ratios of passes side by side."""
    part = case.frames[: len(case.frames) // case.sdk_share]
    ours, sdk = [], []
    for _ in range(passes):
        sdk.append(seconds(case.sdk, part) * case.sdk_share)
        ours.append(seconds(case.ours, case.frames))
    ratio = statistics.median(theirs / mine for mine, theirs in zip(ours, sdk, strict=True))
    return case.updates / statistics.median(ours), case.updates / statistics.median(sdk), ratio


def run(report: Report, *, long: bool) -> None:
    """Measure each kind of frames."""
    rows = []
    for case in (*hsm_cases(), *tbt_cases()):
        ours, sdk, ratio = measure(case, LONG_PASSES if long else PASSES)
        rows.append([case.label, round(ours), round(sdk), round(ratio, 1)])
        if case.figure:
            report.figure(case.figure, round(ratio, 1), bound=BOUNDS[case.figure], unit="x")
    report.table("Decoding, updates per CPU second", ["frames", "ours", "SDK", "ratio"], rows)
