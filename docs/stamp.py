"""
The stamp in the README's picture: a digest of what it was made from, so that it cannot go stale unnoticed.

Two pictures of one page are never the same, a clock is in it; so what it was made from is compared instead.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MADE_FROM", "PICTURE", "digest", "files", "read", "write"]

ROOT = Path(__file__).parents[1]
PICTURE = Path(__file__).with_name("demo.png")

MADE_FROM = (
    "docs/picture.py",
    "kontext_rx/adserver/art.py",
    "kontext_rx/adserver/choose.py",
    "kontext_rx/adserver/creatives.py",
    "kontext_rx/adserver/pages.py",
    "kontext_rx/adserver/static/*",
    "kontext_rx/demo/*.py",
    "kontext_rx/demo/static/*",
    "kontext_rx/hosts/browser.js",
)
"""What one sees in it, or what decides that: the page, the replies, the ads. Patterns below the repository's root."""

KEYWORD = b"Made from"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def files(root: Path = ROOT) -> list[Path]:
    """What the picture is made from, sorted."""
    return sorted(file for pattern in MADE_FROM for file in root.glob(pattern) if file.is_file())


def digest(root: Path = ROOT) -> str:
    """A digest of these files, names and text, whatever their line ends are in this checkout."""
    made_from = hashlib.sha256()
    for file in files(root):
        content = hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        made_from.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return made_from.hexdigest()


def write(png: bytes, text: str) -> bytes:
    """The picture with *text* as its stamp, a `tEXt` chunk before the last one; an older stamp goes."""
    *body, end = (chunk for chunk in chunks(png) if not is_stamp(chunk))
    kind_and_data = b"tEXt" + KEYWORD + b"\0" + text.encode("latin-1")
    size, check = len(kind_and_data) - 4, zlib.crc32(kind_and_data)
    return b"".join((SIGNATURE, *body, struct.pack(">I", size), kind_and_data, struct.pack(">I", check), end))


def read(png: bytes) -> str | None:
    """The picture's stamp; None when it has none."""
    found = next(filter(is_stamp, chunks(png)), None)
    return None if found is None else found[8 + len(KEYWORD) + 1 : -4].decode("latin-1")


def chunks(png: bytes) -> Iterator[bytes]:
    """The parts of a PNG: length, kind, data, checksum. Source: the PNG specification, section 5.3."""
    at = len(SIGNATURE)
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        yield png[at:end]
        at = end


def is_stamp(chunk: bytes) -> bool:
    return chunk[4:].startswith(b"tEXt" + KEYWORD + b"\0")
