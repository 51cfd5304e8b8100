"""The public surface: what it is, and that importing it does nothing."""

import ast
import importlib
import importlib.metadata
import pickle
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


def test_what_is_named_is_what_is_exported_in_order() -> None:
    """`__init__` names what a type checker sees one by one, lists it sorted, and finds it in the same modules."""
    tree = ast.parse((HOUSE / "__init__.py").read_text("utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    assert {type(node) for node in typed.body} == {ast.ImportFrom}
    homes = {
        alias.name: node.module or alias.name
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is None
    }
    assert sorted(homes) == kontext_rx.__all__ == sorted(kontext_rx.__all__)
    assert homes == kontext_rx._HOME_OF


def test_a_name_is_offered_before_it_is_loaded_and_another_is_not_there() -> None:
    """Editors complete what `dir` has."""
    assert set(kontext_rx.__all__) <= set(dir(kontext_rx))
    with pytest.raises(AttributeError, match=r"module 'kontext_rx' has no attribute 'nonsense'"):
        _ = kontext_rx.nonsense


@pytest.mark.parametrize("name", [name for name in kontext_rx.__all__ if isinstance(getattr(kontext_rx, name), type)])
def test_a_class_is_pickled_by_a_name_that_finds_it(name: str) -> None:
    """Whichever module it lives in."""
    value = getattr(kontext_rx, name)
    assert pickle.loads(pickle.dumps(value)) is value


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
    late = {"aiohttp", "structlog", "rich", "click", "platformdirs", "reactivex", "msgspec", "asyncio", "logging"}
    print(sorted({name.partition(".")[0] for name in sys.modules} & late))
    print(sorted(name for name in sys.modules if name.startswith("kontext_rx")))
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
    assert ran.stdout.splitlines() == ["[]", "['kontext_rx', 'kontext_rx.started']", "[]", "1"]
    assert list(tmp_path.iterdir()) == []


OPENING = """
    import sys
    from reactivex.scheduler import VirtualTimeScheduler
    from kontext_rx import Client, Message, create_session
    from kontext_rx.source import Source, Undo
    from kontext_rx.typing import HttpResponse

    BID = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"
    BIDS = b'{"sessionId":"%s","bids":[{"bidId":"%s","code":"inlineAd"}]}' % (BID.encode(), BID.encode())

    def transport(request):
        def subscribe(observer, _):
            body = BIDS if request.url.endswith("preload") else b'{"reportDebug":true}'
            observer.on_next(HttpResponse(200, body))
            observer.on_completed()
            return Undo()
        return Source(subscribe)

    told = []
    clock = VirtualTimeScheduler()
    session = create_session(
        publisher_token="t", user_id="u", conversation_id="c", install_id=BID,
        client=Client(transport=transport), scheduler=clock, on_debug_event=lambda *_: None,
    )
    session.events.subscribe(lambda event: told.append(type(event).__name__))
    opened = set(sys.modules)
    around = {"click", "kontext_rx.cli", "kontext_rx.testing", "kontext_rx.adserver", "kontext_rx.hosts"}
    around |= {"kontext_rx.recording", "kontext_rx.simulate", "kontext_rx.marbles", "kontext_rx.pacing", "aiohttp"}
    print(sorted(opened & around))
    session.add_message(Message.user("m1", "Hi"))
    clock.advance_to(1.0)
    session.add_message(Message.assistant("m2", "Hello"))
    session.add_message(Message.user("m2", "the same id again"))
    session.create_ad("m2")
    session.destroy()
    print(told)
    print(sorted(set(sys.modules) - opened))
"""


def test_a_turn_finds_everything_loaded_that_it_needs(tmp_path: Path) -> None:
    """What an import takes would be that turn's latency; and a session loads nothing of what is around the house."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(OPENING)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=tmp_path,
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["[]", "['Filled']", "[]"]


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
