"""What is said between a cell and its views, over values that may be overwritten before they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx.hosts import BrowserHost
from kontext_rx.notebook.views import Views

LOAD = "https://ads.test/api/frame/b1"


class FakeView:
    """Does what `cell.js` does, one exchange at a time."""

    def __init__(self, cell: Cell, view: str = "view-0001") -> None:
        self.cell, self.id = cell, view
        self.done = self.sent = 0
        self.waiting: list[tuple[int, str]] = []
        self.performed: list[tuple[Any, ...]] = []
        self.is_shown = self.is_lost = False

    def say(self, kind: str, source: str = "inline", **data: Any) -> None:
        frame = {"source": source, "data": json.dumps({"type": kind, "data": data})}
        self.say_text(t="frame", slot=1, **frame)

    def say_text(self, **fields: Any) -> None:
        self.sent += 1
        self.waiting.append((self.sent, json.dumps({"n": self.sent, **fields})))

    def written(self, **more: Any) -> dict[str, Any]:
        return {"view": self.id, "done": self.done, "said": [text for _, text in self.waiting], **more}

    def write(self, **more: Any) -> FakeView:
        self.cell.views.take(self.written(**more))
        return self

    def read(self) -> FakeView:
        value = self.cell.value
        if self.is_lost or self.id not in value["known"]:
            return self
        if value["shown"] != self.id:
            self.is_lost = True
            return self
        self.is_shown = True
        self.waiting = [(n, text) for n, text in self.waiting if n > value["heard"]]
        for text in value["commands"]:
            command = json.loads(text)
            if command["n"] > self.done:
                assert command["n"] == self.done + 1, "a command was lost"
                self.done = command["n"]
                self.performed.append((command["call"], *command["args"]))
        return self


class Cell:
    """A host, its views, and the value that the views read: always the latest, whatever was there in between."""

    def __init__(self) -> None:
        self.host = BrowserHost()
        self.time = 0.0
        self.shows = 0
        self.heard: list[Any] = []
        self.host.messages.subscribe(lambda message: self.heard.append((message.source, message.data)))
        self.value: dict[str, Any] = {}
        self.views = Views(self.host, self._write, self._on_view, lambda: self.time)
        self.value = self.views.value()

    def _write(self, value: dict[str, Any]) -> None:
        self.value = json.loads(json.dumps(value))

    def _on_view(self) -> None:
        self.shows += 1


@pytest.fixture
def cell() -> Cell:
    return Cell()


def types(cell: Cell) -> list[str]:
    return [data["type"] for _, data in cell.heard]


def test_what_was_asked_before_there_was_a_view_is_shown_to_the_first(cell: Cell) -> None:
    cell.host.load(LOAD)
    cell.host.resize(120)
    view = FakeView(cell).write().read()
    assert view.performed == [("load", LOAD), ("resize", 120)]
    assert cell.shows == 1


def test_commands_stay_until_they_are_known_to_be_performed(cell: Cell) -> None:
    view = FakeView(cell).write().read()
    cell.host.load(LOAD)
    assert len(cell.value["commands"]) == 1
    view.read()
    cell.host.show()
    assert len(cell.value["commands"]) == 2
    view.read().write()
    assert cell.value["commands"] == []
    assert view.performed == [("load", LOAD), ("show",)]


def test_several_commands_that_are_read_at_once_are_all_performed_in_order(cell: Cell) -> None:
    view = FakeView(cell).write().read()
    cell.host.load(LOAD)
    for height in range(50):
        cell.host.resize(height)
    view.read()
    assert view.performed == [("load", LOAD), *(("resize", height) for height in range(50))]


def test_what_is_written_twice_is_heard_once(cell: Cell) -> None:
    cell.host.load(LOAD)
    view = FakeView(cell).write().read()
    view.say("init-iframe")
    view.write().write()
    view.say("show-iframe")
    view.write().read()
    assert types(cell) == ["init-iframe", "show-iframe"]
    assert view.waiting == []


def test_what_was_overwritten_comes_with_the_next_write(cell: Cell) -> None:
    cell.host.load(LOAD)
    view = FakeView(cell).write().read()
    view.say("init-iframe")
    view.written()  # is never sent
    view.say("show-iframe")
    view.write()
    assert types(cell) == ["init-iframe", "show-iframe"]


def test_the_newest_view_shows_the_ad_and_the_one_before_learns_of_it(cell: Cell) -> None:
    cell.host.load(LOAD)
    older = FakeView(cell, "view-0001").write().read()
    newer = FakeView(cell, "view-0002").write().read()
    older.read()
    assert older.is_lost
    assert newer.performed == [("load", LOAD)]
    cell.host.show()
    assert newer.read().performed[-1] == ("show",)


def test_an_older_view_that_writes_again_does_not_take_the_ad_back(cell: Cell) -> None:
    """It may not have read yet that there is a newer one."""
    cell.host.load(LOAD)
    older = FakeView(cell, "view-0001").write().read()
    FakeView(cell, "view-0002").write()
    older.say("init-iframe")
    older.write()
    assert cell.value["shown"] == "view-0002"
    assert types(cell) == []


def test_of_two_new_views_the_one_that_never_saw_its_turn_is_told_that_it_is_over(cell: Cell) -> None:
    """Both are taken before either reads: values coalesce."""
    first, second = FakeView(cell, "view-0001").write(), FakeView(cell, "view-0002").write()
    assert first.read().is_lost
    assert second.read().is_shown


def test_a_view_that_is_gone_leaves_the_ad_as_it_is(cell: Cell) -> None:
    cell.host.load(LOAD)
    cell.host.show()
    FakeView(cell).write().write(gone=True)
    assert cell.value["shown"] is None
    assert cell.host.url == LOAD
    assert FakeView(cell, "view-0002").write().read().performed == [("load", LOAD), ("show",)]


def test_a_view_that_came_and_went_before_it_was_heard_takes_nothing(cell: Cell) -> None:
    FakeView(cell, "view-0001").write()
    FakeView(cell, "view-0002").write(gone=True)
    assert cell.value["shown"] == "view-0001"
    assert cell.shows == 1


def test_a_modal_does_not_outlive_its_view(cell: Cell) -> None:
    cell.host.load(LOAD)
    view = FakeView(cell).write()
    cell.host.open_modal("https://ads.test/api/modal/b1")
    view.write(gone=True)
    assert cell.heard[-1] == ("modal", {"type": "close-component-iframe", "data": {"component": "modal"}})


def test_the_user_may_dismiss_a_modal(cell: Cell) -> None:
    cell.host.load(LOAD)
    view = FakeView(cell).write()
    cell.host.open_modal("https://ads.test/api/modal/b1")
    view.say_text(t="dismissed", slot=1)
    view.write()
    assert types(cell) == ["close-component-iframe"]


def test_a_frame_that_has_gone_elsewhere_is_noted_and_not_heard(cell: Cell) -> None:
    origins: list[str | None] = []
    cell.host.messages.subscribe(lambda message: origins.append(message.foreign))
    cell.host.load(LOAD)
    view = FakeView(cell).write()
    view.say_text(t="foreign", slot=1, source="inline", origin="https://elsewhere.test")
    view.write()
    assert cell.heard == [("inline", None)]
    assert origins == ["https://elsewhere.test"]


def test_a_view_that_performs_nothing_loses_the_ad_and_what_was_kept_for_it(cell: Cell) -> None:
    cell.host.load(LOAD)
    FakeView(cell).write()
    for height in range(1_100):
        cell.host.resize(height)
    assert cell.value["shown"] is None
    assert cell.value["commands"] == []
    assert FakeView(cell, "view-0002").write().read().performed == [("load", LOAD), ("resize", 1_099)]


@pytest.mark.parametrize(
    "written",
    [
        None,
        {},
        "view-0001",
        [],
        {"view": "x"},
        {"view": "../../../etc"},
        {"view": 7},
        {"view": "view-0002", "done": -1},
        {"view": "view-0002", "done": 2**60},
        {"view": "view-0002", "said": "text"},
        {"view": "view-0002", "said": [1]},
        {"view": "view-0002", "said": ["x"] * 65},
        {"view": "view-0002", "said": ["x" * 70_000]},
    ],
    ids=repr,
)
def test_what_no_view_would_write_changes_nothing(cell: Cell, written: Any) -> None:
    FakeView(cell).write()
    before = cell.value
    cell.views.take(written)
    assert cell.value == before
    assert cell.views.unusable == 1


@pytest.mark.parametrize(
    "written",
    [{"done": 9}, {"said": ["no message"]}, {"said": ['{"t":"frame"}']}, {"said": ['{"t":"frame","n":5}']}],
    ids=repr,
)
def test_a_view_that_breaks_the_rules_loses_the_ad(cell: Cell, written: dict[str, Any]) -> None:
    """What it would say after that could be anything; the next view starts afresh."""
    cell.host.load(LOAD)
    view = FakeView(cell).write()
    view.cell.views.take({"view": view.id, **written})
    assert cell.value["shown"] is None
    assert cell.heard == []
    assert FakeView(cell, "view-0002").write().read().is_shown


@pytest.mark.parametrize(
    "fields",
    [
        {"t": "context"},
        {"t": "slot", "slot": 2, "messageId": "m9"},
        {"t": "nothing"},
        {"t": "frame", "slot": 1, "source": "window", "data": "{}"},
        {"t": "frame", "slot": 1, "source": "inline", "data": "{"},
        {"t": "frame", "slot": 1, "source": "inline", "data": "[" * 15_000},
    ],
    ids=repr,
)
def test_a_message_that_makes_no_sense_is_counted_and_the_rest_is_heard(cell: Cell, fields: dict[str, Any]) -> None:
    cell.host.load(LOAD)
    view = FakeView(cell).write()
    view.say_text(**fields)
    view.say("init-iframe")
    view.write()
    assert types(cell) == ["init-iframe"]
    assert cell.views.unusable == 1


def test_frames_that_say_too_much_are_heard_in_part(cell: Cell) -> None:
    """1,000 at once, and 400 a second after that."""
    cell.host.load(LOAD)
    view = FakeView(cell).write()
    for _ in range(32):
        for _ in range(64):
            view.say("resize-iframe", height=1)
        view.write().read()
    assert len(cell.heard) == 1_000
    assert cell.views.dropped == 32 * 64 - 1_000
    cell.time += 1
    view.say("show-iframe")
    view.write()
    assert types(cell)[-1] == "show-iframe"


@given(st.lists(st.sampled_from(["command", "say", "write", "read"]), max_size=60))
def test_whatever_is_overwritten_nothing_is_lost_doubled_or_reordered(steps: list[str]) -> None:
    """Either side may change its value many times before the other one looks."""
    cell = Cell()
    cell.host.load(LOAD)
    view = FakeView(cell).write().read()
    commands, said = 0, 0
    for step in steps:
        match step:
            case "command":
                commands += 1
                cell.host.resize(commands)
            case "say":
                said += 1
                view.say("resize-iframe", height=said)
            case "write":
                view.write()
            case _:
                view.read()
    view.read().write().read()
    assert view.performed == [("load", LOAD), *(("resize", number) for number in range(1, commands + 1))]
    assert [data["data"]["height"] for _, data in cell.heard] == list(range(1, said + 1))
    assert cell.value["commands"] == []
    assert view.waiting == []
