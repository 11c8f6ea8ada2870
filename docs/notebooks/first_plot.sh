#!/bin/bash
# From the wheel to a plot of the mid price, in a folder with pulled/lake. Says how many lines that takes.
set -euo pipefail
# begin
pip install -q "${WHEEL:-files/harvester/dist/harvester-0.1.0-py3-none-any.whl}[reader]" matplotlib
python - <<'PYTHON'
from harvester.reader import open_lake
lake = open_lake("pulled/lake")
mid = lake.grid("SBIN", days=lake.days()[-1], every="1s", fields="mid").pandas()
mid.plot("time", "mid").figure.savefig("mid.png")
PYTHON
# end
echo "$(sed -n '/^# begin$/,/^# end$/p' "$0" | grep -cvE '^(#|python -|PYTHON)') lines"
