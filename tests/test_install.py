"""The install id: made once, kept, and never in the way."""

import contextlib
import logging
import os
import stat
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kontext_rx import FileInstallIdStore, InvalidOptionError, install
from kontext_rx.install import install_id, uuid7
from kontext_rx.testing import VirtualAdServer, virtual_session
from kontext_rx.wire import is_uuid

KNOWN = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had been read or made before."""
    monkeypatch.setattr(install, "_default_id", None)
    monkeypatch.setattr(install, "_default_store", FileInstallIdStore())
    monkeypatch.setattr(install, "_unsaved", {})


class Store:
    """A store in memory that counts what it is asked."""

    def __init__(self, *, fails: str = "", **ids: Any) -> None:
        self.ids, self.fails = ids, fails
        self.calls: list[str] = []

    def load(self, user_id: str) -> Any:
        self.calls.append(f"load {user_id}")
        if self.fails == "load":
            raise RuntimeError("the store is down")
        return self.ids.get(user_id)

    def save(self, user_id: str, install_id: str) -> None:
        self.calls.append(f"save {user_id}")
        if self.fails == "save":
            raise OSError("read-only")
        self.ids[user_id] = install_id


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- the id -----------------------------------------------------------------------------------------------------------


def test_an_id_is_a_uuid_of_version_7() -> None:
    """Lower-case, its first 48 bits the milliseconds of its making (N-001, N-005, #75)."""
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert is_uuid(made)
    assert made == made.lower()
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)
    assert before <= int(made.replace("-", "")[:12], 16) <= after


def test_ids_of_different_milliseconds_sort_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of one are still different (N-005)."""
    made: list[str] = []
    for milliseconds in (0, 1, 1772439300000, 1772439300001, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda milliseconds=milliseconds: milliseconds * 1_000_000 + 999_999)
        made += [uuid7()]
        assert uuid7() != made[-1]
    assert made == sorted(made)
    assert all(uuid.UUID(one).version == 7 for one in made)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_first_use_makes_an_id_and_later_ones_read_it(tmp_path: Path) -> None:
    """Across restarts: another store on the same file, another process's (N-001, N-002, N-008)."""
    made = install_id(None, FileInstallIdStore(tmp_path / "deep" / "install-id"), "u1")
    assert is_uuid(made)
    assert (tmp_path / "deep" / "install-id").read_text() == made + "\n"
    assert install_id(None, FileInstallIdStore(str(tmp_path / "deep" / "install-id")), "u2") == made


def test_the_default_file_is_in_the_user_s_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same for everyone in the process (N-009, #75)."""
    if sys.platform != "linux":
        pytest.skip("the variable is this system's")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = install_id(None, None, "u1")
    assert (tmp_path / "kontext_rx" / "install-id").read_text().strip() == made
    assert install_id(None, None, "u2") == made


def test_the_default_file_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A session must not cost a file: the id lives in memory from then on (S-014)."""
    path = tmp_path / "install-id"
    monkeypatch.setattr(install, "_default_store", FileInstallIdStore(path))
    made = install_id(None, None, "u1")
    path.unlink()
    assert install_id(None, None, "u1") == made
    assert not path.exists()


@pytest.mark.parametrize(
    "stored",
    [KNOWN, KNOWN + "\n", f"  {KNOWN}\r\n", "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f", KNOWN.upper(), "0" * 8 + KNOWN[8:]],
)
def test_a_stored_uuid_is_kept_whatever_its_version_and_case(tmp_path: Path, stored: str) -> None:
    """Lower-case where it is used (N-002, N-003, #74)."""
    path = tmp_path / "install-id"
    path.write_bytes(stored.encode())
    assert install_id(None, FileInstallIdStore(path), "u1") == stored.strip().lower()
    assert path.read_bytes() == stored.encode()


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "\n",
        KNOWN[:-1],
        f"{KNOWN}0",
        f"{{{KNOWN}}}",
        "1-2-3-4-5",
        '{"installId": 1}',
        KNOWN.replace("0", "g"),
        "\xff",
    ],
)
def test_a_malformed_id_is_replaced_and_the_replacement_stored(tmp_path: Path, stored: str) -> None:
    """Whatever happened to the file (N-004)."""
    path = tmp_path / "install-id"
    path.write_bytes(stored.encode("latin-1"))
    made = install_id(None, FileInstallIdStore(path), "u1")
    assert is_uuid(made)
    assert install_id(None, FileInstallIdStore(path), "u1") == made


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Atomic: what another process reads is an id, the old or the new (#75)."""
    path = tmp_path / "install-id"
    path.write_text(KNOWN)

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        FileInstallIdStore(path).save("u1", uuid7())
    assert path.read_text() == KNOWN
    assert os.listdir(tmp_path) == ["install-id"]


def test_a_written_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It identifies an installation."""
    FileInstallIdStore(tmp_path / "install-id").save("u1", KNOWN)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "install-id").stat().st_mode) == 0o600


# --- what does not work -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def in_the_way(path: Path, what: str) -> Iterator[None]:
    if what == "a file for a folder":
        path.parent.write_text("")
    else:
        path.mkdir(parents=True)
    yield


@pytest.mark.parametrize("what", ["a file for a folder", "a folder for a file"])
def test_a_disk_that_cannot_be_written_costs_one_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """The id then lives as long as the process (N-001, #75)."""
    path = tmp_path / "kontext_rx" / "install-id"
    monkeypatch.setattr(install, "_default_store", FileInstallIdStore(path))
    with in_the_way(path, what):
        made = {install_id(None, None, user_id) for user_id in ("u1", "u2", "u1")}
    assert len(made) == 1
    assert all(map(is_uuid, made))
    assert warnings(caplog) == ["install id not stored"]


@pytest.mark.parametrize("fails", ["load", "save"])
def test_a_store_that_raises_costs_a_warning_and_no_session(caplog: pytest.LogCaptureFixture, fails: str) -> None:
    """Each user has one id as long as the process lives, and neither the id nor the user is in the line (#75)."""
    store = Store(fails=fails)
    one, two = install_id(None, store, "ada"), install_id(None, store, "bob")
    assert one != two
    assert install_id(None, store, "ada") == one
    assert set(warnings(caplog)) == {"install id not stored"}
    assert not any(secret in str(vars(record)) for record in caplog.records for secret in ("ada", "bob", one, two))


def test_an_id_made_while_the_store_was_down_is_stored_when_it_is_back() -> None:
    """The user keeps the id that the server has seen."""
    store = Store(fails="save")
    made = install_id(None, store, "ada")
    store.fails = ""
    assert install_id(None, store, "ada") == made
    assert store.ids == {"ada": made}


def test_ids_that_could_not_be_stored_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose store is down for a day still has memory (#75)."""
    monkeypatch.setattr(install, "_UNSAVED_LIMIT", 3)
    store = Store(fails="load")
    for number in range(10):
        install_id(None, store, f"u{number}")
    assert 0 < len(install._unsaved) <= 3


# --- whose id it is ---------------------------------------------------------------------------------------------------


def test_a_store_gives_each_user_an_id_of_their_own() -> None:
    """One id for thousands of users would spoil frequency caps (#75)."""
    store = Store(ada=KNOWN)
    assert install_id(None, store, "ada") == KNOWN
    bob = install_id(None, store, "bob")
    assert bob != KNOWN
    assert store.ids == {"ada": KNOWN, "bob": bob}
    assert store.calls == ["load ada", "load bob", "save bob"]


def test_an_id_that_is_given_is_used_and_no_store_is_asked() -> None:
    """Lower-case (N-007 settled, #74)."""
    store = Store()
    assert install_id(KNOWN.upper(), store, "u1") == KNOWN
    assert install_id(uuid.UUID(KNOWN), store, "u1") == KNOWN
    assert store.calls == []


@pytest.mark.parametrize("given", ["", "1-2-3-4-5", KNOWN[:-1], 5, b"x"])
def test_an_id_that_is_given_is_a_uuid_in_text(given: object) -> None:
    """At the call."""
    with pytest.raises(InvalidOptionError, match="install_id=") as caught:
        install_id(given, None, "u1")
    assert KNOWN in str(caught.value)


@pytest.mark.parametrize("given", [object(), {}, "path/to/file", Path("x")])
def test_a_store_can_load_and_save(given: Any) -> None:
    """At the call."""
    with pytest.raises(InvalidOptionError, match=r"load\(user_id\)"):
        install_id(None, given, "u1")


def test_an_id_is_read_once_for_a_session_and_sent_in_all_it_sends(server: VirtualAdServer) -> None:
    """In `/init` and `/preload` at the top, in `/error` and `/debug` among the facts (N-006, S-014, E-031)."""
    from kontext_rx import Message
    from kontext_rx.testing import json_answer, status

    store = Store()
    server.plan("/init", json_answer({"reportDebug": True}))
    server.plan("/preload", *[status(429)] * 4)
    session = virtual_session(server, install_id=None, install_id_store=store)
    for number in range(2):
        session.add_message(Message.user(f"u{number}", "Hi"))
        server.clock.advance_by(100)
    assert store.calls == ["load user-1", "save user-1"]
    assert {request.path for request in server.requests} == {"/init", "/preload", "/error", "/debug"}
    for request in server.requests:
        at = request.body if request.path in ("/init", "/preload") else request.body["additionalData"]
        assert at["installId"] == store.ids["user-1"]
