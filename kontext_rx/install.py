"""
The install id: a UUID of version 7, made once and kept in the user's data folder.

What works with files and random numbers is imported where it is needed, once a process: it takes longer to import than
half of this package.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import time
from typing import TYPE_CHECKING, Final

from .errors import InvalidOptionError
from .log import logger
from .typing import InstallIdStore
from .wire import is_uuid

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileInstallIdStore", "install_id", "uuid7"]


class FileInstallIdStore:
    """
    One id for this installation, in a small file; every user of the process has the same.

    *path* is `install-id` in the user's data folder unless given. The file is written atomically.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else os.fspath(path)

    @property
    def path(self) -> Path:
        """Where the id is kept."""
        from pathlib import Path

        if self._path is None:
            import platformdirs

            self._path = os.path.join(platformdirs.user_data_dir("kontext_rx", appauthor=False), "install-id")
        return Path(self._path)

    def load(self, user_id: str) -> str | None:
        """The stored id, whoever the user is; None when there is none. Raises `OSError` when it cannot be read."""
        del user_id
        try:
            return self.path.read_text("utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None

    def save(self, user_id: str, install_id: str) -> None:
        """Replace the file. Raises `OSError` when it cannot be written."""
        import tempfile

        del user_id
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".install-id-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(install_id + "\n")
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def uuid7() -> str:
    """A UUID of version 7, lower-case: 48 bits of milliseconds since 1970, then random."""
    import secrets
    import uuid

    milliseconds = time.time_ns() // 1_000_000
    bits = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=bits))


_default_store: Final = FileInstallIdStore()
_default_id: str | None = None  # of the default store: read once, a session must not cost a file
_unsaved: Final[dict[str, str]] = {}  # made while a store failed: it lives as long as the process


def install_id(given: object, store: InstallIdStore | None, user_id: str) -> str:
    """
    The id for a session: *given*, or the one in *store*, or a new one, which is stored.

    A malformed id in the store is replaced. A store that fails costs a warning. Raises `InvalidOptionError` when
    *given* is no UUID or *store* cannot load and save.
    """
    global _default_id
    if given is not None:
        if not is_uuid(given if isinstance(given, str) else str(given)):
            raise InvalidOptionError("install_id", given, "give a UUID such as '01985b2e-3c11-7a4d-9f20-5c1e77aa0b31'")
        return _lower(str(given))
    if store is None:
        if _default_id is None:
            _default_id = _stored(_default_store, "")
        return _default_id
    calls = [getattr(store, name, None) for name in ("load", "save")]
    if not all(map(callable, calls)) or any(map(inspect.iscoroutinefunction, calls)):
        raise InvalidOptionError(
            "install_id_store", f"<{type(store).__name__}>", "give load(user_id) and save(user_id, id)"
        )
    return _stored(store, user_id)


def _stored(store: InstallIdStore, user_id: str) -> str:
    try:
        known = store.load(user_id)
        if is_uuid(known):
            return _lower(str(known))
        made = _unsaved.get(user_id) or uuid7()
        store.save(user_id, made)
        return made
    except Exception as error:  # a full or read-only disk, a store of the app's that is down: ads go on
        logger().warning("install id not stored", error=type(error).__name__)
        if len(_unsaved) >= _UNSAVED_LIMIT:
            _unsaved.clear()
        return _unsaved.setdefault(user_id, uuid7())


def _lower(known: str) -> str:
    """*known* itself where it can be: it is kept once and not with every session."""
    lower = known.lower()
    return known if lower == known else lower


_UNSAVED_LIMIT: Final = 10_000
