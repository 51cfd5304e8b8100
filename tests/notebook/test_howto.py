"""The how-to's cells run in a notebook, one after the other: they await at the top, as a notebook lets them."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from kontext_rx.notebook import AdCell

PAGE = Path(__file__).parent.parent.parent / "docs" / "howto" / "notebook.md"


async def test_the_cells_of_the_how_to_run() -> None:
    names: dict[str, Any] = {}
    cells = re.findall(r"```py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(cells) == 4
    for number, cell in enumerate(cells):
        running = eval(compile(cell, f"cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(running):
            await running
    assert isinstance(names["cell"], AdCell)
    assert names["session"].is_destroyed
    names["cell"].close()
