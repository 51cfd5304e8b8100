"""
Marbles: what happened in a conversation, as a picture.

    from kontext_rx.marbles import marbles

    print(marbles(session))

In a notebook `marbles(session)` shows itself; `marbles(session).chart()` is an Altair chart to zoom into, and needs
`pip install 'kontext-rx[notebook]'`.
"""

from .diagram import Diagram, marbles
from .turns import TurnTiming, turns_of

__all__ = ["Diagram", "TurnTiming", "marbles", "turns_of"]
