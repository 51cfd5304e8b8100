"""`simulate`: where conversations come from, who does the work, and what is refused."""

import datetime as dt
import gzip
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kontext_rx import InvalidOptionError, Message, Recording, pacing
from kontext_rx.conversations import UnreadableError
from kontext_rx.recording import record
from kontext_rx.simulate import Empirical, Fixed, Line, Lognormal, Models, Talk, simulate
from kontext_rx.simulate.sources import MESSAGES, chunks
from kontext_rx.simulate.spool import by_users
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

from .worlds import ALWAYS, CALM, START, both, fates, talk


def export(path: Path, *conversations: Any) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in conversations]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def said(*roles: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "x"} for role in roles], **more}


# --- where conversations come from ------------------------------------------------------------------------------------


def test_a_file_is_read_as_replay_reads_it(tmp_path: Path) -> None:
    """Bad lines are counted and named, odd messages are skipped and counted."""
    path = export(
        tmp_path / "log.jsonl",
        said("user", "assistant", id="a"),
        "{broken",
        said("user", "system", "assistant"),
        "[]",
    )
    found = simulate(path, ALWAYS, models=CALM)
    assert found.turns["conversation"].to_list() == ["a", "conversation-2"]
    assert (found.bad_lines, found.skipped) == (2, 1)
    assert found.problems[0] == (
        f"{path}, line 2: not JSON (Expecting property name enclosed in double quotes, column 2)"
    )
    assert found.problems[1].startswith(f"{path}, line 4: ")
    assert "2 bad lines" in repr(found)


def test_users_come_from_the_file(tmp_path: Path) -> None:
    path = export(tmp_path / "log.jsonl", said("user", user_id="ada"), said("user", user=7), said("user"))
    assert simulate(path, ALWAYS).turns["user"].to_list() == ["ada", "7", "conversation-3"]


def test_several_files_and_anything_else_go_together(tmp_path: Path) -> None:
    one, two = (export(tmp_path / name, said("user", "assistant", id=name)) for name in ("one", "two"))
    found = simulate([str(one), two, talk("ua")], ALWAYS)
    assert found.turns["conversation"].to_list() == ["one", "two", "c"]


def test_a_file_that_is_open_is_read_where_it_stands(tmp_path: Path) -> None:
    """Such as one that is unpacked on the way."""
    path = tmp_path / "log.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(said("user", id="a")) + "\n{\n")
    with gzip.open(path) as packed:
        found = simulate(packed, ALWAYS)
    assert found.turns["conversation"].to_list() == ["a"]
    assert found.problems[0].startswith(f"{path}, line 2: ")


def test_a_file_that_is_no_export_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\x1f\x8b zipped")
    with pytest.raises(UnreadableError, match=r"log\.jsonl cannot be read: it is compressed"):
        simulate(path, ALWAYS)
    with pytest.raises(FileNotFoundError):
        simulate(tmp_path / "none.jsonl", ALWAYS)


def test_a_generator_is_read_as_it_goes() -> None:
    """No more than a shard's worth is held."""
    read: list[int] = []
    done: list[int] = []

    def talks() -> Iterator[Talk]:
        for number in range(3):
            read.append(len(done))
            yield talk("u" * (MESSAGES // 2 + 1), id=f"c{number}")

    simulate(talks(), ALWAYS, keep_turns=False, on_progress=lambda conversations, turns: done.append(turns))
    assert read == [0, 0, 1]
    assert done == [8193, 16386, 24579]


def test_recordings_are_conversations_with_their_own_times() -> None:
    clock = VirtualClock(START)
    session = virtual_session(VirtualAdServer(clock, latency=0.7))
    recording = record(session)
    for number in range(3):
        session.add_message(Message.user(f"u{number}", "Hi"), track_only=number == 1)
        clock.advance(3)
        session.add_message(Message.assistant(f"a{number}", "Yes?"))
        clock.advance(5)
    found = both([recording], models=Models.from_recordings([recording], fill=(1.0,)))
    assert fates(found) == ["filled", "track_only", "filled"]
    assert found.turns["at"].to_list() == [START + dt.timedelta(seconds=8 * n) for n in range(3)]


def test_models_are_measured_on_recordings() -> None:
    clock = VirtualClock(START)
    session = virtual_session(VirtualAdServer(clock, latency=0.7))
    recording = record(session)
    session.add_message(Message.user("u1", "Hi"))
    clock.advance(3)
    session.add_message(Message.assistant("a1", "Yes?"))
    clock.advance(5)
    session.add_message(Message.user("u2", "Go"))
    clock.advance(1)
    models = Models.from_recordings([recording], click=0.5)
    assert (models.reply, models.typing) == (Empirical((3.0,)), Empirical((5.0,)))
    assert isinstance(models.latency, Empirical)
    assert models.latency.values == pytest.approx((0.7, 0.7))
    assert models.click == 0.5
    assert Models.from_recordings([Recording(recording.header)]) == Models()


def test_messages_of_the_package_are_lines() -> None:
    at = START + dt.timedelta(seconds=9)
    one = Talk("c", (Message.user("m1", "Hi", START), Message.user("m1", "Ho", at), Line("m2", "assistant")))  # pyright: ignore[reportArgumentType]
    assert one.messages == (Line("m1", "user", "Hi", START), Line("m2", "assistant"))


@pytest.mark.parametrize("script", ["", "a", "aaa", "u", "uuuu"])
def test_odd_conversations_are_conversations(script: str) -> None:
    found = both([talk(script), talk("ua", id="d")])
    assert found.conversations == 2
    assert len(found.turns) == script.count("u") + 1


def test_a_conversation_of_ten_thousand_turns_is_one() -> None:
    found = simulate([talk("ua" * 10_000)], {"a": pacing.every(5) & pacing.cooldown(60)})
    assert len(found.turns) > 100
    calm = simulate([talk("ua" * 10_000)], {"a": pacing.every(5)}, models=CALM)
    assert calm.table["ads_per_conversation"].to_list() == [2000]


def test_half_an_emoji_in_a_text_changes_nothing(tmp_path: Path) -> None:
    """Exports have them; they go through other processes, and through the files where users wait."""
    broken = {"role": "user", "content": "\ud83d"}
    path = export(tmp_path / "log.jsonl", {"id": "a", "user": "ada", "messages": [broken]}, said("user", user="ada"))
    rules = {"cap": pacing.per_user(pacing.at_most(1))}
    found = both(path, rules)
    assert sorted(fates(found, "cap")) == ["filled", "paced_out"]
    assert simulate(path, rules, models=CALM, workers=2).turns.equals(found.turns)


# --- who does the work ------------------------------------------------------------------------------------------------


def many_talks() -> list[Talk]:
    return [talk("ua" * (2 + n % 40), id=f"c{n}", user=f"user {n % 300}") for n in range(1200)]


def test_any_number_of_workers_gives_the_same() -> None:
    """A rule of the app's own, and a cap on users, travel to them too."""

    @pacing.rule
    def long(turn: pacing.Turn) -> bool:
        return turn.number > 2

    rules = {"own": long & pacing.cooldown(30), "cap": pacing.per_user(pacing.at_most(3, per=86_400))}
    alone = simulate(many_talks(), rules, seeds=2)
    spread = simulate(many_talks(), rules, seeds=2, workers=2)
    assert spread.turns.equals(alone.turns)
    assert spread.table.equals(alone.table)
    assert spread.differences().equals(alone.differences())
    with ThreadPoolExecutor(3) as pool:
        assert simulate(many_talks(), rules, seeds=2, workers=pool).table.equals(alone.table)


def test_any_order_gives_the_same() -> None:
    rules = {"cap": pacing.per_user(pacing.at_most(3, per=86_400)), "often": pacing.every(2)}
    there = simulate(many_talks(), rules)
    back = simulate(reversed(many_talks()), rules)
    assert back.table.equals(there.table)
    order = ["rule", "conversation", "turn"]
    assert back.turns.sort(order).equals(there.turns.sort(order))


def test_a_rule_gives_the_same_whatever_rules_are_beside_it() -> None:
    alone = simulate(many_talks(), {"a": pacing.every(2)})
    beside = simulate(many_talks(), {"b": pacing.per_user(pacing.at_most(1)), "a": pacing.every(2)})
    order = ["conversation", "turn"]
    assert beside.turns.filter(rule="a").drop("rule").sort(order).equals(alone.turns.drop("rule").sort(order))


def test_the_conversations_of_a_user_are_kept_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they came, and however many: they are sorted on disk, and nothing of it stays there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    talks = [talk("ua" * 40, id=f"c{n}", user=f"user {n % 7}" if n % 10 else None) for n in range(600)]
    with by_users(iter(talks)) as sorted_:
        shards = list(chunks(sorted_, by_user=True))
    assert len(shards) > 2
    of = [{one.user_id for one in shard} - {None} for shard in shards]
    assert sum(map(len, of)) == 7
    assert sorted(one.id for shard in shards for one in shard) == sorted(one.id for one in talks)
    assert list(tmp_path.iterdir()) == []


def test_a_rule_that_cannot_travel_is_refused_with_the_cure() -> None:
    held = threading.Lock()  # something that no other process can have
    rule = pacing.only_if(lambda message: not held.locked(), name="held")
    with pytest.raises(InvalidOptionError, match="leave workers out: a rule cannot be sent to another process"):
        simulate([talk("ua")], {"held": rule}, workers=2)


def test_a_worker_that_dies_is_told_of() -> None:
    rule = pacing.only_if(lambda message: os._exit(1), name="deadly")
    with pytest.raises(RuntimeError, match="a worker process died"):
        simulate([talk("ua")], {"deadly": rule}, workers=2)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": {}}, "rules={} cannot be used: give one at least"),
        ({"rules": pacing.every(1)}, "give rules of kontext_rx.pacing by name"),
        ({"rules": {"a": "every(1)"}}, r"rules\['a'\]='every\(1\)' cannot be used"),
        ({"rules": [("a", pacing.every(1)), ("a", pacing.every(2))]}, "rules='a' cannot be used: .* is there twice"),
        ({"rules": {" ": pacing.every(1)}}, "give each rule a name that is not blank"),
        (
            {"rules": {"\ud83d": pacing.every(1)}},
            "rules='.ud83d' cannot be used: give each rule a name that can be written",
        ),
        ({"limit": 0}, "limit=0 cannot be used: give a whole number, 1 or more, or None"),
        ({"seeds": 0}, "seeds=0 cannot be used: give a whole number, 1 or more"),
        ({"seeds": True}, "seeds=True cannot be used"),
        ({"engine": "fast"}, "engine='fast' cannot be used: give 'pure' or 'session'"),
        ({"models": {}}, r"models={} cannot be used: give Models\(\.\.\.\)"),
        ({"workers": 0}, "workers=0 cannot be used"),
        ({"conversations": 7}, "conversations='<int>' cannot be used"),
        ({"conversations": [{"id": "a"}]}, "conversations='<dict>' cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"conversations": [talk("ua")], "rules": ALWAYS, **changes}
    with pytest.raises(InvalidOptionError, match=message):
        simulate(given.pop("conversations"), given.pop("rules"), **given)


def test_a_rule_that_goes_by_the_app_s_observable_is_refused() -> None:
    import reactivex as rx

    with pytest.raises(InvalidOptionError, match="leave `when` out"):
        simulate([talk("ua")], {"a": pacing.every(1) & pacing.when(rx.never())})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fixed(-1),
        lambda: Fixed(float("nan")),
        lambda: Lognormal(1, -0.1),
        lambda: Lognormal(float("inf"), 1),
        lambda: Empirical(()),
        lambda: Empirical((1.0, -1.0)),
        lambda: Models(typing=3),  # pyright: ignore[reportArgumentType]
        lambda: Models(view=1.1),
        lambda: Models(fill=()),
        lambda: Models(fill=(0.5, 2.0)),
        lambda: Models(revenue="much"),  # pyright: ignore[reportArgumentType]
        lambda: Models(times="never"),  # pyright: ignore[reportArgumentType]
        lambda: Models(start=dt.datetime(2026, 3, 1)),
        lambda: Talk(" "),
        lambda: Talk("c", user_id=""),
        lambda: Talk("\ud83d"),
        lambda: Talk("c", "hello"),  # pyright: ignore[reportArgumentType]
        lambda: Talk("c", ({"role": "user"},)),  # pyright: ignore[reportArgumentType]
        lambda: Talk("c", (Line("m", "system"),)),  # pyright: ignore[reportArgumentType]
        lambda: Talk("c", (Line("m", "user", at=dt.datetime(2026, 3, 1)),)),
    ],
)
def test_values_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(InvalidOptionError):
        make()
