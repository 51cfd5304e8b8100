"""The house: which room a module is in, and that imports go down, or sideways without a circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kontext_rx

HOUSE = Path(kontext_rx.__file__).parent

ROOMS = {
    "1 values": "errors message event trace context options typing",
    "2 pure": "history pairing wire css frame ledger explain",
    "3 streams": "source door deadlines clock reader stream ops pacing preload gate backend exchange journal",
    "4 edges": "transport client telemetry install started log hosts adserver",
    "5 house": "outlet pacer link ad session create",
    "6 around": "conversations recording marbles testing simulate cli demo notebook __main__",
}
"""From the bottom up. A module that is not here has no room yet: give it one."""

ROOM = {module: room for room, modules in ROOMS.items() for module in modules.split()}

KEPT_TO = {
    "aiohttp": {"client", "transport", "adserver", "hosts", "demo"},
    "structlog": {"log"},
    "click": {"cli"},
    "rich": {"cli"},
    "platformdirs": {"install"},
    "anywidget": {"notebook"},
    "traitlets": {"notebook"},
    "altair": {"marbles", "simulate"},
    "numpy": {"simulate"},
}
"""Who may import what we depend on."""


class Import:
    """One import in one file: of what, and whether it runs when the module is imported."""

    def __init__(self, file: Path, name: str, *, at_once: bool) -> None:
        self.file, self.name, self.at_once = file, name, at_once
        self.importer = module_of(file)
        parts = name.split(".")
        self.top = parts[0]
        self.module = parts[1] if self.top == "kontext_rx" and len(parts) > 1 else None

    def __repr__(self) -> str:
        return f"{self.file.relative_to(HOUSE)} imports {self.name}"


def module_of(file: Path) -> str:
    """A package counts as one module, by its own name."""
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def names(node: ast.AST, file: Path) -> Iterator[str]:
    """What a statement imports, relative names made absolute."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = ["kontext_rx", *file.relative_to(HOUSE).parts[:-1]]
        base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
        if node.module:
            yield f"{base}.{node.module}".strip(".")
        else:  # `from . import wire`
            yield from (f"{base}.{alias.name}" for alias in node.names)
        if node.module == "kontext_rx" and not node.level:
            yield from (f"kontext_rx.{alias.name}" for alias in node.names if alias.name in ROOM)


def read(file: Path) -> list[Import]:
    tree = ast.parse(file.read_text("utf-8"))
    typed = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    later = {id(one) for block in typed for node in block.body for one in ast.walk(node)}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            later |= {id(one) for one in ast.walk(function)}
    return [Import(file, name, at_once=id(node) not in later) for node in ast.walk(tree) for name in names(node, file)]


FILES = sorted(file for file in HOUSE.rglob("*.py") if file != HOUSE / "__init__.py")
IMPORTS = [one for file in FILES for one in read(file)]
INSIDE = [one for one in IMPORTS if one.module is not None and one.module != one.importer]


def test_every_module_has_a_room() -> None:
    """The map is complete: who adds a module says where it belongs."""
    assert sorted({module_of(file) for file in FILES} - ROOM.keys()) == []
    assert len(FILES) > 30


def test_the_reader_of_imports_reads_them() -> None:
    """Else this page would hold nothing: relative, absolute, late and typed ones are seen."""
    seen = {repr(one) for one in IMPORTS}
    assert "link.py imports kontext_rx.wire" in seen
    assert "options.py imports kontext_rx.context" in seen
    assert "client.py imports aiohttp" in seen
    assert "wire.py imports msgspec" in seen
    late = {repr(one) for one in IMPORTS if not one.at_once}
    assert {"client.py imports aiohttp", "log.py imports structlog"} <= late


def test_imports_go_to_lower_rooms_or_sideways() -> None:
    """Late and typed ones too: a direction is a direction."""
    upwards = [one for one in INSIDE if ROOM[str(one.module)] > ROOM[one.importer]]
    assert upwards == []


def test_nothing_in_a_room_goes_in_circles() -> None:
    """Nor does anything in the house."""
    graph: dict[str, set[str]] = {module: set() for module in ROOM}
    for one in INSIDE:
        graph[one.importer].add(str(one.module))
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in sorted(graph[module]):
                walk(other, (*path, module))
            done.add(module)

    for module in graph:
        walk(module, ())


def test_only_what_is_around_the_house_asks_for_the_package_itself() -> None:
    """`import kontext_rx` from inside would be a circle through its first page."""
    whole = {one.importer for one in IMPORTS if one.name == "kontext_rx"}
    assert {ROOM[module] for module in whole} <= {"6 around"}


def test_the_ad_server_knows_the_protocol_and_not_us() -> None:
    """It could be a package of its own."""
    assert [one for one in INSIDE if one.importer == "adserver"] == []


@pytest.mark.parametrize("package", KEPT_TO)
def test_what_we_depend_on_stays_where_it_is_needed(package: str) -> None:
    """aiohttp at the wire, structlog in the logger, the terminal in the command line."""
    assert {one.importer for one in IMPORTS if one.top == package} <= KEPT_TO[package]


def test_streams_begin_in_their_own_room() -> None:
    """Below it reactivex lends its types to `typing`, and nothing else."""
    low = {one.importer for one in IMPORTS if one.top == "reactivex" and ROOM[one.importer] < "3 streams"}
    assert low == {"typing"}


def test_rx_internals_are_not_ours_to_import() -> None:
    """They change without notice."""
    assert [one for one in IMPORTS if one.name.startswith("reactivex.internal")] == []


def test_the_pure_rooms_know_no_clock_no_loop_and_no_log() -> None:
    """A step over values is tested with values."""
    worldly = {"asyncio", "time", "logging", "threading", "socket", "os", "random", "secrets", "pathlib"}
    low = [one for one in IMPORTS if ROOM[one.importer] < "3 streams" and one.top in worldly]
    assert low == []
