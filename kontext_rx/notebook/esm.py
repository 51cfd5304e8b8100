"""The browser half of a cell, as one module: a widget's script cannot import a file from its neighbour."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final

from ..hosts import script

__all__ = ["css", "source"]

_IMPORT: Final = 'import { createSlot } from "../hosts/browser.js";\n'
"""The line of `cell.js` that the other file itself takes the place of."""


@functools.cache
def source() -> str:
    """`browser.js`, and after it `cell.js`."""
    before, line, after = _read("cell.js").partition(_IMPORT)
    if not line:
        raise AssertionError("cell.js does not import createSlot as it is expected to")
    return script.body().decode() + before + after


@functools.cache
def css() -> str:
    """The style sheet."""
    return _read("cell.css")


def _read(name: str) -> str:
    return resources.files(__name__.rpartition(".")[0]).joinpath(name).read_text("utf-8")
