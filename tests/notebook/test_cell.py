"""The widget without a browser: what it shows, whose it is, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import Any

import pytest

import kontext_rx as kx
from kontext_rx import Message
from kontext_rx.hosts import RecordingHost
from kontext_rx.notebook import AdCell
from kontext_rx.testing import VirtualAdServer, VirtualClock, fill, no_fill, virtual_session

VIEW = {"view": "view-0001"}


@pytest.fixture
def session(server: VirtualAdServer) -> kx.Session:
    return virtual_session(server)


def turn(session: kx.Session, clock: VirtualClock, reply: str = "m2") -> None:
    session.add_message(Message.user(f"{reply}-asked", "Any tent for two?"))
    session.add_message(Message.assistant(reply, "For summer or winter?"))
    clock.advance(1)


def rows(cell: AdCell) -> list[str]:
    return [row["name"] for row in cell._rows]


def test_it_shows_what_already_happened_and_what_happens(session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock)
    cell = AdCell(session, "m2")
    assert rows(cell) == ["ad.filled"]
    assert repr(cell) == "<AdCell 'm2' 'inlineAd' ad.filled>"


def test_it_shows_the_events_of_its_own_placement(server: VirtualAdServer, clock: VirtualClock) -> None:
    session = virtual_session(server, enabled_placement_codes=["inlineAd", "sidebar"])
    server.plan("/preload", fill("inlineAd", "sidebar"))
    cell, other = AdCell(session, "m2"), AdCell(session, "m2", code="sidebar")
    turn(session, clock)
    assert (rows(cell), rows(other)) == (["ad.filled"], ["ad.filled"])
    assert cell._title == "m2 · inlineAd"
    assert other._title == "m2 · sidebar"


def test_where_there_is_no_ad_it_says_why(session: kx.Session, server: VirtualAdServer, clock: VirtualClock) -> None:
    server.plan("/preload", no_fill("frequency_cap"))
    cell = AdCell(session, "m2")
    assert cell._note == "Waiting for the ad of m2."
    turn(session, clock)
    assert cell._note == "No ad for m2: frequency_cap."
    assert "No ad for m2: frequency_cap." in cell._repr_html_()


def test_a_placement_without_a_bid_is_named(session: kx.Session, clock: VirtualClock) -> None:
    cell = AdCell(session, "m2", code="sidebar")
    turn(session, clock)
    assert cell._note == "No ad for m2 in the placement sidebar."


def test_the_theme_reaches_the_creative(session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock)
    cell = AdCell(session, "m2", theme="dark")
    assert cell.ad is not None
    assert cell.ad.theme == "dark"


def test_it_is_readable_where_there_is_no_kernel(session: kx.Session, clock: VirtualClock) -> None:
    """The saved output is HTML and text besides the widget."""
    turn(session, clock)
    cell = AdCell(session, "m2")
    html = cell._repr_html_()
    assert "<table>" in html
    assert "+0.000 s" in html
    assert "ad.filled" in html
    assert "<script" not in html
    bundle: Any = cell._repr_mimebundle_()
    assert bundle[0]["text/plain"] == repr(cell)


def test_only_the_latest_events_are_kept(session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock)
    cell = AdCell(session, "m2")
    cell._up = VIEW
    for number in range(1, 151):
        data = f'{{"type":"resize-iframe","data":{{"code":"inlineAd","height":{number}}}}}'.replace('"', '\\"')
        cell._up = {**VIEW, "said": [f'{{"t":"frame","n":{number},"slot":1,"source":"inline","data":"{data}"}}']}
        clock.advance(0.02)
    assert len(cell._rows) == 100
    assert cell._rows[-1]["detail"] == "height 150"
    assert cell._start < cell._rows[0]["at"]


def test_run_again_the_newer_cell_has_the_ad(session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock)
    older = AdCell(session, "m2")
    older._up = VIEW
    newer = AdCell(session, "m2")
    newer._up = VIEW
    assert older.ad is None
    assert older._note == "A newer cell shows this ad."
    assert newer._note == "The ad is loading."
    assert newer._down["shown"] == "view-0001"


def test_other_cells_are_left_alone(session: kx.Session, server: VirtualAdServer, clock: VirtualClock) -> None:
    """Those of another message, and those of another session with the same message id."""
    cells = [AdCell(session, "m2"), AdCell(session, "m4"), AdCell(virtual_session(server), "m2")]
    assert all(cell.ad is not None for cell in cells)


def test_an_ad_that_the_app_shows_elsewhere_stays_there(session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock)
    ad = session.render(message_id="m2", element=RecordingHost())
    cell = AdCell(session, "m2")
    cell._up = VIEW
    assert cell._note == "The app shows this ad elsewhere."
    assert not ad.is_destroyed


def test_closing_the_cell_destroys_the_ad_and_keeps_what_was_told(session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock)
    cell = AdCell(session, "m2")
    ad = cell.ad
    assert ad is not None
    cell.close()
    cell.close()
    assert ad.is_destroyed
    assert rows(cell) == ["ad.filled"]
    assert "The cell is closed." in cell._repr_html_()


def test_after_the_session_nothing_holds_it(server: VirtualAdServer, clock: VirtualClock) -> None:
    """The cell stays in the notebook for as long as its kernel, and is nothing but its lines."""
    session = virtual_session(server)
    turn(session, clock)
    cell = AdCell(session, "m2")
    cell._up = VIEW
    assert "Any tent" not in str(cell.get_state())
    session.destroy()
    clock.advance(60)  # the clock itself holds a timer that was cancelled until it would have been due
    assert cell._note == "The ad is over."
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


def test_what_was_said_in_the_conversation_is_not_kept_in_the_notebook(
    session: kx.Session, clock: VirtualClock
) -> None:
    """The creative is given the messages; once it has them, the cell's state, which is saved, has them no more."""
    turn(session, clock)
    cell = AdCell(session, "m2")
    cell._up = VIEW
    data = '{\\"type\\":\\"init-iframe\\"}'
    cell._up = {**VIEW, "said": [f'{{"t":"frame","n":1,"slot":1,"source":"inline","data":"{data}"}}']}
    assert "Any tent" in str(cell.get_state())
    cell._up = {**VIEW, "done": len(cell._down["commands"])}
    assert "Any tent" not in str(cell.get_state())


async def test_what_comes_in_on_another_thread_is_taken_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter hears of widgets beside the thread on which it runs cells; the session lives on that one alone."""
    with virtual_session(VirtualAdServer(VirtualClock())) as session:
        cell = AdCell(session, "m2")
        threads: list[int] = []
        take = cell._views.take
        monkeypatch.setattr(cell._views, "take", lambda given: (threads.append(threading.get_ident()), take(given)))
        await asyncio.to_thread(setattr, cell, "_up", VIEW)
        await asyncio.sleep(0)
        assert threads == [threading.get_ident()]
        assert cell._down["shown"] == "view-0001"


def test_a_view_that_writes_again_is_answered_again(session: kx.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer may have been lost, and has not changed since."""
    cell = AdCell(session, "m2")
    cell._up = {**VIEW, "tries": 1}
    sent: list[Any] = []
    monkeypatch.setattr(cell, "send_state", lambda key=None: sent.append(key))
    cell._up = {**VIEW, "tries": 2}
    assert "_down" in sent


@pytest.mark.parametrize("wrong", [{"message_id": " "}, {"message_id": "m2", "code": ""}], ids=repr)
def test_what_cannot_be_used_is_refused_at_the_call(session: kx.Session, wrong: dict[str, str]) -> None:
    with pytest.raises(kx.InvalidOptionError):
        AdCell(session, **wrong)


def test_a_session_that_is_over_has_no_cells(session: kx.Session) -> None:
    session.destroy()
    with pytest.raises(kx.SessionDestroyedError):
        AdCell(session, "m2")


def test_without_anywidget_the_error_names_the_cure() -> None:
    program = """
        import sys
        sys.modules["anywidget"] = None
        import kontext_rx.notebook
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert "ImportError: kontext_rx.notebook needs anywidget: pip install 'kontext-rx[notebook]'" in ran.stderr


def test_the_script_is_one_file_that_imports_nothing(session: kx.Session) -> None:
    """A widget's script has no neighbours, and a notebook may have no network."""
    source = AdCell(session, "m2").get_state()["_esm"]
    assert "createSlot" in source
    assert [line for line in source.splitlines() if line.startswith("import ")] == []
    assert "import(" not in source
