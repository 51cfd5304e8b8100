"""Conversations that are written on one line, and played in virtual time."""

import contextlib
import re
from typing import Any

from hypothesis import strategies as st
from watched import Watched

from kontext_rx import AdAlreadyMountedError, Message, pacing
from kontext_rx.explain import Explanation
from kontext_rx.hosts.recording import RecordingHost
from kontext_rx.pacing import Go, Hold, Rule
from kontext_rx.testing import (
    VirtualAdServer,
    VirtualClock,
    failure,
    fill,
    json_answer,
    network_error,
    no_fill,
    status,
)

user, assistant = Message.user, Message.assistant

SECRET = "my tent leaks"
SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}


class Play:
    """
    Plays a conversation that is written on one line.

    `u1`, `a1` add a message, `u1*` with track_only=True. `5ms`, `1s`, `2h` let time pass. `chat:30` adds that many
    assistant messages. `create:a1`, `render:a1`, `show:a1`, `view:a1`, `click:a1`, `fail:a1`, `close:a1` are the life
    of an ad, in another placement `render:a1/sidebar`. `destroy` ends the session.
    """

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.hosts: dict[tuple[str, str], RecordingHost] = {}
        """The latest host of each message and placement."""
        self._all: list[tuple[str, RecordingHost]] = []
        self._chat = 0

    def __call__(self, script: str) -> "Play":
        for word in script.split():
            self._do(word)
        return self

    def explain(self, message_id: str) -> Explanation:
        return self.watched.session.explain(message_id)

    def verdicts(self, *message_ids: str) -> list[str | None]:
        return [self.explain(message_id).verdict for message_id in message_ids]

    @property
    def loaded(self) -> set[str]:
        """The messages whose ad was given to a host."""
        return {message_id for message_id, host in self._all if any(call[0] == "load" for call in host.calls)}

    def _do(self, word: str) -> None:
        session, clock = self.watched.session, self.watched.clock
        what, _, of = word.partition(":")
        message_id, _, code = of.partition("/")
        code = code or "inlineAd"
        if time := re.fullmatch(r"(\d+)(ms|s|min|h)", word):
            clock.advance(int(time[1]) * SECONDS[time[2]])
        elif word == "destroy":
            session.destroy()
        elif what == "chat":
            for _ in range(int(of)):
                self._chat += 1
                session.add_message(assistant(f"chat{self._chat}", SECRET))
        elif what == "create":
            session.create_ad(message_id, code)
        elif what == "render":
            host = RecordingHost()
            session.render(message_id=message_id, element=host, code=code)
            self.hosts[message_id, code] = host
            self._all.append((message_id, host))
        elif what == "close":
            session.create_ad(message_id, code).destroy()
        elif what in ("show", "view", "click"):
            name = {"show": "ad.render-started", "view": "ad.viewed", "click": "ad.clicked"}[what]
            payload = {"id": "x", "content": "Tents", "format": "text", "url": "/go", "area": "cta"}
            self.hosts[message_id, code].say("event-iframe", code=code, name=name, payload=payload)
        elif what == "fail":
            self.hosts[message_id, code].say(
                "error-iframe", code=code, message="no creative", errorType="render_failed"
            )
        elif word.startswith("u"):
            session.add_message(user(word.rstrip("*"), SECRET), track_only=word.endswith("*"))
        else:
            session.add_message(assistant(word, SECRET))


def hold(*message_ids: str) -> Rule[None]:
    """A pacing rule that holds these messages back."""

    @pacing.rule
    def held(state: None, turn: pacing.Turn) -> tuple[None, pacing.Decision]:
        return state, Hold("not now") if turn.message.id in message_ids else Go("why not")

    return held


OFF = json_answer({"enabled": False})
TWO_PLACES = {"enabled_placement_codes": ["inlineAd", "sidebar"]}
TWO_FILLED = (fill("inlineAd", "sidebar"),)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A script of some twenty words, and what the server and the pacing rule do."""
    words: list[str] = []
    users = replies = 0
    for kind in draw(st.lists(st.sampled_from("uuuaaaatttttmmmvcdx"), max_size=24)):
        reply = f"a{draw(st.integers(1, max(replies, 1)))}" + draw(st.sampled_from(("", "/sidebar")))
        match kind:
            case "u":
                users += 1
                words.append(f"u{users}" + draw(st.sampled_from(("", "", "", "*"))))
            case "a":
                replies += 1
                words.append(f"a{replies}")
            case "t":
                words.append(draw(st.sampled_from(("3ms", "9ms", "11ms", "30ms", "70ms", "1s", "5s", "2h"))))
            case "m":
                words.append(f"render:{reply}")
            case "v":
                words += [f"{word}:{reply}" for word in ("show", "view")]
            case "c":
                words.append(f"close:{reply}")
            case _:
                words.append(draw(st.sampled_from((f"fail:{reply}", f"click:{reply}", "chat:31"))))
    answers = (
        fill("inlineAd", "sidebar", revenue=0.5),
        fill(),
        no_fill(),
        failure("geo"),
        failure("gone", permanent=True),
        network_error(),
        status(503),
    )
    given: dict[str, Any] = {
        "preload": tuple(draw(st.lists(st.sampled_from(answers), max_size=6))),
        "init": draw(st.sampled_from((None, None, OFF.in_(0.005), OFF.in_(0.03), OFF.in_(2)))),
        "pacing": draw(st.sampled_from((None, hold("u1", "u3")))),
        **TWO_PLACES,
    }
    return " ".join(words) + draw(st.sampled_from(("", " 2min", " destroy"))), given


def fresh(script: str, given_: dict[str, Any]) -> Play:
    """A session of its own, for one of many examples."""
    server = VirtualAdServer(VirtualClock())
    options = dict(given_)
    server.plan("/preload", *options.pop("preload"))
    if (init := options.pop("init")) is not None:
        server.plan("/init", init)
    played = Play(Watched(server, options))
    for word in script.split():
        with contextlib.suppress(AdAlreadyMountedError, KeyError):  # a second mount, a frame that is not there
            played(word)
    return played
