"""./inv query asks the same 16 columns of the pulled lake that the price feed has in the bucket."""

import csv
import io

from tests.candles.conftest import SBIN, FeedHost
from tests.candles.test_tables import BARS, SETTLED, record
from tests.storage.lake.candles import bar, said

from harvester.price_feed.layout import COLUMNS
from runbook.report.query import ask


def test_the_view_has_what_the_files_have(host: FeedHost) -> None:
    record(host)
    later = host.recorder()
    later.answer(SETTLED + 5, SBIN, said(*map(bar, range(BARS - 1)), bar(BARS - 1, 801.0, 150)))
    later.stop(SETTLED + 6)
    host.close()
    host.deliver()
    question = "select * exclude (date, host) from ohlcv_data order by symbol, timestamp_unix"
    answer = ask(question, host.root / "lake")
    assert tuple(answer.columns) == COLUMNS
    text = io.StringIO(newline="")
    csv.writer(text).writerows([COLUMNS, *answer.rows])
    lines = [host.text(symbol) for symbol in ("INFY", "SBIN")]
    assert text.getvalue() == lines[0] + lines[1].partition("\r\n")[2]
