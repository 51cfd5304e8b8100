"""
The host for notebooks: an ad in a cell's output, with its events beside it.

    from kontext_rx.notebook import AdCell

    AdCell(session, "m2")

It needs anywidget (`pip install 'kontext-rx[notebook]'`) and runs wherever that does: Jupyter, VS Code, Colab, marimo.
"""

try:
    import anywidget as _anywidget
except ImportError as error:
    raise ImportError("kontext_rx.notebook needs anywidget: pip install 'kontext-rx[notebook]'") from error

from .cell import AdCell

__all__ = ["AdCell"]

del _anywidget
