"""The recorder: a conversation as it happened, to look at, to keep, and to run again."""

from .entries import Answered, Called, Entry, Framed, Header, Input, MessageAdded, Rang, RecordingError
from .recorder import record
from .recording import Recording

__all__ = [
    "Answered",
    "Called",
    "Entry",
    "Framed",
    "Header",
    "Input",
    "MessageAdded",
    "Rang",
    "Recording",
    "RecordingError",
    "record",
]
