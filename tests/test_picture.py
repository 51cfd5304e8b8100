"""The README's picture shows the demo as it is: `nox -s picture` takes it, and stamps what it was made from into it."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not (DOCS / "stamp.py").exists(), reason="needs a checkout")


@pytest.fixture(scope="module")
def stamp() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        import stamp

        yield stamp
    sys.modules.pop("stamp")


@pytest.fixture
def copy(stamp: ModuleType, tmp_path: Path) -> Path:
    """A root of one's own with everything in it that the picture is made from."""
    for file in stamp.files():
        there = tmp_path / file.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(file.read_bytes())
    return tmp_path


def test_the_life_of_a_turn_is_drawn_as_it_is() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        import life
    sys.modules.pop("life")
    assert life.PICTURE.read_text("utf-8") == life.drawn(), (
        "of an older session, or drawn by older code: nox -s picture"
    )


def test_the_picture_shows_the_demo_as_it_is(stamp: ModuleType) -> None:
    made_from = stamp.read(stamp.PICTURE.read_bytes())
    assert made_from == stamp.digest(), "docs/demo.png is of an older demo: run nox -s picture"


def test_whatever_the_picture_is_made_from_is_in_the_stamp(stamp: ModuleType, copy: Path) -> None:
    """A change in any of it, a new file and one that is gone are noticed."""
    known = {stamp.digest(copy)}
    assert known == {stamp.digest()}
    for file in stamp.files(copy):
        file.write_bytes(file.read_bytes() + b" ")
        known.add(stamp.digest(copy))
    (copy / "kontext_rx/demo/static/new.css").write_text("")
    known.add(stamp.digest(copy))
    (copy / "docs/picture.py").unlink()
    known.add(stamp.digest(copy))
    assert len(known) == 1 + len(stamp.files()) + 2


def test_line_ends_are_no_change(stamp: ModuleType, copy: Path) -> None:
    """Git gives some machines others."""
    for file in stamp.files(copy):
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert stamp.digest(copy) == stamp.digest()


def test_every_pattern_finds_something(stamp: ModuleType) -> None:
    """Else a file that was renamed would leave the stamp in silence."""
    assert [pattern for pattern in stamp.MADE_FROM if not any(ROOT.glob(pattern))] == []


def test_a_stamp_leaves_the_picture_as_it_is(stamp: ModuleType) -> None:
    bare = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"tEXt", b"Author\0us") + chunk(b"IEND", b"")
    assert stamp.read(bare) is None
    stamped = stamp.write(stamp.write(bare, "older"), "newer")
    assert stamp.read(stamped) == "newer"
    assert stamped.replace(chunk(b"tEXt", b"Made from\0newer"), b"") == bare


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
