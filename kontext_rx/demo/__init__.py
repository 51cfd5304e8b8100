"""The demo chat: a page with real ads under its replies, and a live timeline of what the session does."""

from .app import DemoChat

__all__ = ["DemoChat"]
