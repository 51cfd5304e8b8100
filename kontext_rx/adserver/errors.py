"""
What the ad server raises.

    AdServerError
    ├── InvalidSettingError   (a ValueError too) a setting that cannot be used
    └── AddressError          host and port cannot be listened on

A request that cannot be read is not an error of the server: it is answered with a 400.
"""

from __future__ import annotations

__all__ = ["AdServerError", "AddressError", "InvalidSettingError"]


class AdServerError(Exception):
    """The base of what the ad server raises; by itself, a call at the wrong time."""


class InvalidSettingError(AdServerError, ValueError):
    """A setting that cannot be used. Raised where it is given, before anything starts."""

    def __init__(self, setting: str, given: object, wanted: str) -> None:
        super().__init__(setting, given, wanted)
        self.setting, self.given, self.wanted = setting, given, wanted

    def __str__(self) -> str:
        return f"{self.setting}={self.given!r} cannot be used: {self.wanted}"


class AddressError(AdServerError):
    """The address cannot be listened on; the operating system's own error is its cause."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(host, port, problem)
        self.host, self.port, self.problem = host, port, problem

    def __str__(self) -> str:
        return f"cannot listen on {self.host} port {self.port}: {self.problem}"
