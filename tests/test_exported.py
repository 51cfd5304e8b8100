"""The public surface: what it is, and that importing it does nothing."""

import ast
import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import kontext_rx

HOUSE = Path(kontext_rx.__file__).parent

MODULES = [
    module.name
    for module in pkgutil.walk_packages([str(HOUSE)], "kontext_rx.")
    if not module.name.startswith(("kontext_rx.cli", "kontext_rx.__main__"))
]


def test_what_is_imported_is_what_is_exported_in_order() -> None:
    """`__init__` imports names one by one, lists them sorted, and does nothing else."""
    tree = ast.parse((HOUSE / "__init__.py").read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    imported = [alias.asname or alias.name for node in imports for alias in node.names]
    assert sorted(imported) == kontext_rx.__all__ == sorted(kontext_rx.__all__)
    assert len(set(imported)) == len(imported)
    docstring, *statements = tree.body
    assert isinstance(docstring, ast.Expr)
    assert {type(node) for node in statements} == {ast.ImportFrom, ast.Assign}
    assert sum(isinstance(node, ast.Assign) for node in statements) == 1


@pytest.mark.parametrize("name", kontext_rx.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    """With a docstring, unless it is an alias of types."""
    value = getattr(kontext_rx, name)
    assert name == "Outcome" or (value.__doc__ or "").strip()


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_offers(name: str) -> None:
    """Each has a docstring and an `__all__` of names that exist."""
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip()
    assert [public for public in module.__all__ if not hasattr(module, public)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def test_what_is_in_the_design_is_in_the_surface() -> None:
    """The names that are fixed."""
    fixed = """
        create_session Session Message ops pacing ClientContext App Character Regulatory Client Ad AdEvent Filled NoFill
        Viewed Clicked RenderStarted RenderCompleted AdHeight AdError VideoStarted VideoCompleted RewardGranted
        PreloadStep DebugEvent KontextError SessionDestroyedError InvalidMessageError InvalidOptionError Turn
    """
    assert set(fixed.split()) <= set(kontext_rx.__all__)


def test_the_package_is_typed_and_says_its_version_once() -> None:
    """The SDK's version on the wire is the package's (W-015)."""
    from kontext_rx.create import _default_sdk

    assert (HOUSE / "py.typed").exists()
    assert _default_sdk().version == importlib.metadata.version("kontext-rx")
    assert not hasattr(kontext_rx, "__version__")


IMPORTING = """
    import os, sys, threading

    happened = []

    def watch(event, args):
        if event in ("socket.__new__", "socket.connect", "subprocess.Popen", "os.mkdir", "os.rename", "os.remove"):
            happened.append((event, args))
        if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
            happened.append((event, args))

    sys.dont_write_bytecode = True
    sys.addaudithook(watch)
    import kontext_rx
    late = {"aiohttp", "structlog", "rich", "click", "platformdirs"}
    print(sorted({name.partition(".")[0] for name in sys.modules} & late))
    print("kontext_rx.adserver" in sys.modules, "kontext_rx.testing" in sys.modules)
    print(happened)
    print(threading.active_count())
"""


def test_importing_the_package_starts_opens_and_writes_nothing(tmp_path: Path) -> None:
    """Nor does it import what takes long or is not needed yet (S-008, N-008)."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(IMPORTING)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=tmp_path,
        env={"PATH": "", "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["[]", "False False", "[]", "1"]
    assert list(tmp_path.iterdir()) == []


def test_the_first_session_makes_the_install_id_and_not_the_import(tmp_path: Path) -> None:
    """In the user's data folder, one small file (N-001, N-009)."""
    if sys.platform != "linux":
        pytest.skip("the variable is this system's")
    script = """
        from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session
        virtual_session(VirtualAdServer(VirtualClock()), install_id=None)
    """
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": "", "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [Path("kontext_rx/install-id")]
