"""What is written down, what is not, and the file."""

import json
from pathlib import Path

import pytest

import kontext_rx as kx
from kontext_rx import Message, Recording
from kontext_rx.hosts import RecordingHost
from kontext_rx.testing import VirtualAdServer, VirtualClock, no_fill, virtual_session


@pytest.fixture
def recording(clock: VirtualClock, server: VirtualAdServer) -> Recording:
    """Two turns, an ad on a page, a frame that says something that JSON cannot hold."""
    session = virtual_session(
        server, user_email="ann@example.org", context={"timezone": "Europe/Vienna"}, publisher_token="secret-token"
    )
    recording = kx.record(session)
    session.add_message(Message.user("u1", "Any tent for two?"))
    clock.advance(1)
    session.add_message(Message.assistant("a1", "For summer?"))
    host = RecordingHost()
    session.render(message_id="a1", element=host)
    host.say("show-iframe")
    host.say_raw({"type": "\ud800"})
    host.say_raw(object())
    session.update_options(user_email="bob@example.org")
    session.send_user_event("user.typing.started", {"secret": "draft"})
    server.plan("/preload", no_fill())
    session.add_message(Message.user("u2", "Any tent for two?"))
    clock.advance(1)
    session.destroy()
    return recording


class TestWhatIsWrittenDown:
    def test_inputs_and_traces_in_the_order_in_which_they_happened(self, recording: Recording) -> None:
        kinds = [type(entry).__name__ for entry in recording.entries[:5]]
        assert kinds == ["MessageAdded", "Added", "PreloadStep", "Rang", "PreloadStep"]
        assert len(recording.inputs) + len(recording.traces) == len(recording.entries)

    def test_events_and_steps_are_those_that_were_told(self, clock: VirtualClock, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        recording = kx.record(session)
        events: list[kx.AdEvent] = []
        steps: list[kx.PreloadStep] = []
        session.events.subscribe(events.append)
        session.preloads.subscribe(steps.append)
        session.add_message(Message.user("u1", "Hi"))
        clock.advance(1)
        session.add_message(Message.assistant("a1", "Hello"))
        session.add_message(Message.user("u2", "Hi"))
        session.destroy()
        assert list(recording.events) == events != []
        assert list(recording.preloads) == steps != []

    def test_it_says_why_as_the_session_does(self, clock: VirtualClock, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        recording = kx.record(session)
        session.add_message(Message.user("u1", "Hi"))
        clock.advance(1)
        session.add_message(Message.assistant("a1", "Hello"))
        assert recording.explain("a1") == session.explain("a1")
        assert recording.explain("nothing").verdict is None

    def test_it_stops_growing_at_the_sessions_end(self, recording: Recording) -> None:
        assert type(recording.entries[-1]).__name__ == "Ended"

    def test_its_repr_says_what_it_is(self, recording: Recording) -> None:
        assert repr(recording) == f"<Recording 'conversation-1' 2 turns, {len(recording.entries)} entries>"


class TestPrivacy:
    @pytest.mark.parametrize(
        "secret",
        ["Any tent", "summer", "ann@example.org", "bob@example.org", "secret-token", "user-1", "draft", "0b31"],
    )
    def test_nothing_of_text_and_identity_is_kept(self, recording: Recording, secret: str, tmp_path: Path) -> None:
        assert secret not in recording.save(tmp_path / "r.jsonl").read_text()

    def test_the_same_text_has_the_same_hash_within_a_recording_and_another_in_the_next(
        self, server: VirtualAdServer
    ) -> None:
        hashes: list[list[str]] = []
        for _ in range(2):
            session = virtual_session(server)
            recording = kx.record(session)
            for message_id, text in (("u1", "yes"), ("u2", "yes"), ("u3", "no"), ("u4", "")):
                session.add_message(Message.user(message_id, text))
            hashes.append([entry.content for entry in recording.inputs if isinstance(entry, kx.recording.MessageAdded)])
        first, second = hashes
        assert first[0] == first[1] != first[2]
        assert first[3] == ""
        assert not set(first[:3]) & set(second)

    def test_texts_are_kept_when_asked_for(self, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        recording = kx.record(session, texts=True)
        session.add_message(Message.user("u1", "Any tent for two?"))
        assert recording.header.texts
        assert recording.inputs[0].content == "Any tent for two?"  # type: ignore[union-attr]


class TestWhenItCannotBeMade:
    def test_of_something_else(self) -> None:
        with pytest.raises(kx.InvalidOptionError, match="give a session"):
            kx.record("session")  # type: ignore[arg-type]

    def test_twice(self, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        kx.record(session)
        with pytest.raises(kx.InvalidOptionError, match="use that one"):
            kx.record(session)

    def test_after_the_first_message(self, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        session.add_message(Message.user("u1", "Hi"))
        with pytest.raises(kx.InvalidOptionError, match="before its first message"):
            kx.record(session)

    def test_after_the_first_ad(self, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        session.create_ad("a1")
        with pytest.raises(kx.InvalidOptionError, match="first ad"):
            kx.record(session)

    def test_after_the_end(self, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        session.destroy()
        with pytest.raises(kx.InvalidOptionError, match="while it lives"):
            kx.record(session)


BROKEN = {
    "not json": (b"{", "line 3: not a JSON object"),
    "cut off": (b'{"kind":"rang","at":1', "line 3: not a JSON object"),
    "not utf-8": (b'{"kind":"\xff"}', "line 3: not a JSON object"),
    "a list": (b"[]", "line 3: not a JSON object"),
    "no kind": (b"{}", "kind None is not known"),
    "an unknown kind": (b'{"kind":"sang"}', "kind 'sang' is not known"),
    "an unknown field": (b'{"kind":"rang","at":1,"due":1,"tune":2}', "tune is not known"),
    "a field of another type": (b'{"kind":"rang","at":"noon","due":1}', "rang: Expected `float`, got `str`"),
    "a missing field": (b'{"kind":"rang","at":1}', "missing required field `due`"),
    "a second header": (None, "line 3: a second header"),
}


class TestTheFile:
    def test_what_was_saved_is_what_is_loaded(self, recording: Recording, tmp_path: Path) -> None:
        loaded = Recording.load(recording.save(tmp_path / "r.jsonl"))
        assert loaded.header == recording.header
        assert loaded.entries == recording.entries
        assert loaded.replay().traces == recording.traces

    def test_it_is_one_json_object_a_line(self, recording: Recording, tmp_path: Path) -> None:
        lines = recording.save(tmp_path / "r.jsonl").read_text().splitlines()
        assert json.loads(lines[0])["format"] == "kontext_rx recording"
        assert json.loads(lines[-1]) == {"kind": "end", "entries": len(recording.entries)}
        assert len(lines) == len(recording.entries) + 2

    def test_saving_replaces_and_leaves_nothing_else(self, recording: Recording, tmp_path: Path) -> None:
        for _ in range(2):
            recording.save(tmp_path / "r.jsonl")
        assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]

    def test_a_folder_that_is_not_there_is_an_os_error(self, recording: Recording, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="nowhere"):
            recording.save(tmp_path / "nowhere" / "r.jsonl")

    @pytest.mark.parametrize(("line", "words"), BROKEN.values(), ids=BROKEN.keys())
    def test_a_broken_line_is_named(self, recording: Recording, tmp_path: Path, line: bytes | None, words: str) -> None:
        path = recording.save(tmp_path / "r.jsonl")
        lines = path.read_bytes().splitlines()
        lines.insert(2, lines[0] if line is None else line)
        path.write_bytes(b"\n".join(lines))
        with pytest.raises(kx.RecordingError, match=r"r\.jsonl, line 3") as caught:
            Recording.load(path)
        assert words in str(caught.value)

    def test_a_file_without_a_header_says_so(self, recording: Recording, tmp_path: Path) -> None:
        path = recording.save(tmp_path / "r.jsonl")
        path.write_bytes(b"\n".join(path.read_bytes().splitlines()[1:]))
        with pytest.raises(kx.RecordingError, match="line 1: expected a header"):
            Recording.load(path)

    DAMAGED = (
        ("cut short", slice(0, -3)),
        ("a line lost", [0, *range(2, 33)]),
        ("a line twice", [0, 1, 1, *range(2, 34)]),
    )

    @pytest.mark.parametrize("kept", [kept for _, kept in DAMAGED], ids=[name for name, _ in DAMAGED])
    def test_a_file_that_is_not_whole_says_so(
        self, recording: Recording, tmp_path: Path, kept: slice | list[int]
    ) -> None:
        path = recording.save(tmp_path / "r.jsonl")
        lines = path.read_bytes().splitlines()
        path.write_bytes(
            b"\n".join(lines[kept] if isinstance(kept, slice) else [lines[i] for i in kept if i < len(lines)])
        )
        with pytest.raises(kx.RecordingError, match=r"r\.jsonl is not whole"):
            Recording.load(path)

    def test_nothing_comes_after_the_end(self, recording: Recording, tmp_path: Path) -> None:
        path = recording.save(tmp_path / "r.jsonl")
        path.write_bytes(path.read_bytes() + b'{"kind":"rang","at":1,"due":1}')
        with pytest.raises(kx.RecordingError, match="nothing comes after the end"):
            Recording.load(path)

    def test_a_file_of_a_later_version_says_so(self, recording: Recording, tmp_path: Path) -> None:
        path = recording.save(tmp_path / "r.jsonl")
        path.write_text(path.read_text().replace('"version":1,', '"version":2,'))
        with pytest.raises(kx.RecordingError, match="line 1: version 2 needs a later kontext_rx"):
            Recording.load(path)

    def test_an_empty_file_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "r.jsonl").touch()
        with pytest.raises(kx.RecordingError, match="is empty"):
            Recording.load(tmp_path / "r.jsonl")


class TestAsATable:
    def test_a_row_an_entry(self, recording: Recording) -> None:
        polars = pytest.importorskip("polars")
        table = recording.to_polars()
        assert table.height == len(recording.entries)
        sent = table.filter(polars.col("name") == "sent").row(0, named=True)
        assert sent["user_message_id"] == "u1"
        assert round(sent["since_s"], 3) == 0.010
        assert json.loads(sent["detail"])["track_only"] is False
        linked = table.filter(polars.col("kind") == "linked").row(0, named=True)
        assert (linked["message_id"], linked["user_message_id"]) == ("a1", "u1")

    def test_an_empty_one_has_the_same_columns(self, server: VirtualAdServer, recording: Recording) -> None:
        pytest.importorskip("polars")
        empty = kx.record(virtual_session(server)).to_polars()
        assert empty.height == 0
        assert empty.schema == recording.to_polars().schema
