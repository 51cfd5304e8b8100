"""
The logger: structlog over the stdlib logger `kontext_rx`, silent until the app configures logging.

A line carries ids, counts and roles; never message text, an e-mail address, a token or a user id.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger
    from structlog.typing import EventDict

__all__ = ["STDLIB", "logger"]

STDLIB: Final = logging.getLogger("kontext_rx")
STDLIB.addHandler(logging.NullHandler())  # without it, the stdlib prints warnings of libraries to stderr


@functools.cache
def logger() -> BoundLogger:
    """The bound logger; structlog is imported when it is first asked for."""
    import structlog

    # Our own chain, whatever the app has configured: an unconfigured structlog would print to the app's stdout.
    return structlog.wrap_logger(
        STDLIB,
        processors=[structlog.stdlib.filter_by_level, _as_log_call],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _as_log_call(_: object, __: str, event: EventDict) -> EventDict:
    # structlog's own `render_to_log_kwargs` would name structlog as the place of every line: three frames too near.
    return {"msg": event.pop("event"), "exc_info": event.pop("exc_info", None), "stacklevel": 4, "extra": event}
