"""
All benchmarks, interleaved in one run: a table of medians and ratios with their spread, beside the goals.

    python tests/benchmarks/run.py [--rounds 5] [--cells turns,burst] [--quick] [--json FILE]

A cell is something that is measured in several ways: by us, by the hand-written session in `handwritten.py`, by a bare
aiohttp POST. Each round measures every way of every cell in turn; a ratio is one of the same round. The server has a
process and a core of its own. It takes a quarter of an hour, with `--quick` a few minutes, and is of no use on a busy
machine, where ratios of CPU are what can still be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import bridge
import delays
import fanout
import imports
import keepalive
import sessions
import simulator
import storms
import threads
import turns
from measure import arguments, compare
from table import show

CELLS: Final = [
    cell
    for family in (turns, delays, sessions, storms, fanout, threads, imports, simulator, bridge, keepalive)
    for cell in family.CELLS
]


def main() -> None:
    options = arguments(__doc__)
    options.add_argument("--cells", metavar="NAMES", help=f"those that begin so: {', '.join(c.name for c in CELLS)}")
    options.add_argument("--quick", action="store_true", help="less of everything, and 3 rounds")
    options.add_argument("--json", type=Path, metavar="FILE", help="where the number of every round goes")
    options.set_defaults(rounds=None)
    given = options.parse_args()
    wanted = tuple(given.cells.split(",")) if given.cells else ("",)
    cells = [cell for cell in CELLS if cell.name.startswith(wanted)]
    if not cells:
        options.error("there is no such cell")
    results = compare(cells, rounds=given.rounds or (3 if given.quick else 5), quick=given.quick)
    raise SystemExit(show(cells, results, given.json))


if __name__ == "__main__":
    main()
