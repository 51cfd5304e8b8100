"""Why there is an ad under a reply, or none: the story of one message, read from what happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from .event import (
    AdError,
    AdEvent,
    Clicked,
    Filled,
    NoFill,
    RenderStarted,
    RewardGranted,
    VideoCompleted,
    Viewed,
)
from .trace import Added, Dropped, Ended, Linked, Mounted, PreloadStep, Retold, Settled, Trace, Unmounted

__all__ = ["Explanation", "ToldStep", "Verdict", "explain"]

T = TypeVar("T")

Verdict: TypeAlias = Literal[
    "paced_out",
    "track_only",
    "coalesced",
    "cancelled",
    "no_fill",
    "error",
    "disabled",
    "unlinked",
    "expired",
    "trimmed",
    "linked",
    "mounted",
    "viewed",
]

Story: TypeAlias = Sequence[Trace]


class StoryOf(Protocol):
    """Gives what happened to the messages with these ids, oldest first."""

    def __call__(self, *message_ids: str) -> Story:
        """Empty where nothing is known."""
        ...


class ToldStep(msgspec.Struct, frozen=True):
    """One step of a story: when, what, and in words."""

    at: float
    """Epoch seconds by the session's scheduler."""
    name: str
    """A step's name (`scheduled`, `sent`, ...), `added`, `linked`, `mounted`, ..., or the name of an ad event."""
    text: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """
    The story of one message: how far it came towards an ad, why, and the steps.

    `str()` is for a person to read.
    """

    message_id: str
    """The message that was asked about."""
    user_message_id: str | None
    """The user message whose preload it got, lost or waits for; None when there is none."""
    verdict: Verdict | None
    """
    The first thing that ruled an ad out, or how far the ad came; None while that is open, and for an unknown id.

    * `disabled`: the session was switched off. * `track_only`: the app asked for no ad. * `coalesced`: a newer user
      message came before it was sent. * `paced_out`: the pacing rule held it back. * `cancelled`: its request was let
      go. * `no_fill`, `error`: what the server, or the network, said. * `unlinked`: no preload could reach it.
    * `expired`, `trimmed`: the ad was there, and gone before it was mounted.
    * `linked`, `mounted`, `viewed`: how far the ad came.
    """
    reason: str
    """Why, in words."""
    steps: tuple[ToldStep, ...] = ()
    """By time."""

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-ready values, with keys in camelCase."""
        return {
            "messageId": self.message_id,
            "userMessageId": self.user_message_id,
            "verdict": self.verdict,
            "reason": self.reason,
            "steps": [{"at": step.at, "name": step.name, "text": step.text} for step in self.steps],
        }

    def __str__(self) -> str:
        lines = [f"{self.message_id}: {(self.verdict or 'open').replace('_', ' ')}: {self.reason}"]
        if self.steps:
            began = self.steps[0].at
            clock = dt.datetime.fromtimestamp(began, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            lines.append(f"  from {clock}, seconds since then:")
            lines += [f"  {step.at - began:9.3f}  {step.text}" for step in self.steps]
        return "\n".join(lines)


def explain(
    message_id: str,
    story_of: StoryOf,
    *,
    is_known: bool = True,
    stage: Verdict | None = None,
    disabled_by: str = "the server",
    ad_ttl: float | None = None,
    now: float | None = None,
    expired: Sequence[Dropped] = (),
) -> Explanation:
    """
    The story of *message_id*. *story_of* gives what happened to messages, oldest first, empty where nothing is known.

    *is_known* tells a message that has been forgotten from one that never was; *stage* is how far the ad of a forgotten
    one came, if it is still there. *disabled_by* says who switched the session off. An ad that waits for its reply is
    over *ad_ttl* seconds after its answer, by *now*; without *now* it waits. *expired* are the ads that are over their
    time by now, though nothing has happened since.
    """
    own = story_of(message_id)
    added = _first(own, Added)
    if added is None:
        if is_known:
            return Explanation(
                message_id=message_id,
                user_message_id=None,
                verdict=stage or "trimmed",
                reason="it left the history so long ago that its story is not kept"
                + ("" if stage is None else ", and its Ad lives"),
            )
        return Explanation(
            message_id=message_id, user_message_id=None, verdict=None, reason="no message with this id was added"
        )
    user_id, reply_id = (message_id, _reply(own, message_id)) if added.role == "user" else (_question(own), message_id)
    over = [drop for drop in expired if drop.message_id == reply_id]
    case = _Case(
        added=added,
        own=own,
        asked=() if user_id is None else story_of(user_id),
        reply=() if reply_id is None else (*story_of(reply_id), *over),
        user_id=user_id,
        disabled_by=disabled_by,
    )
    verdict, reason = _verdict(case, story_of, ad_ttl, now)
    ids = [one for one in (user_id, reply_id) if one is not None]
    shown = None if verdict == "unlinked" else ids
    return Explanation(
        message_id=message_id,
        user_message_id=user_id,
        verdict=verdict,
        reason=reason,
        steps=_steps((*story_of(*ids), *over), reply_id, shown),
    )


class _Case(NamedTuple):
    """A question and its reply, as far as they are known."""

    added: Added
    """The message that was asked about."""
    own: Story
    asked: Story
    """What happened to the question."""
    reply: Story
    user_id: str | None
    disabled_by: str

    @property
    def skip_code(self) -> str | None:
        """The local word that settled the message."""
        mine = (trace for trace in self.own if isinstance(trace, Settled) and trace.message_id == self.added.message_id)
        settled = next(mine, None)
        return None if settled is None else settled.outcome.skip_code


def _question(own: Story) -> str | None:
    """The user message whose preload a reply got, lost or waits for."""
    for trace in own:
        match trace:
            case Linked(user_message_id=user) | AdEvent(user_message_id=str(user)):
                return user
            case Retold(event=AdEvent(user_message_id=str(user))):
                return user
            case Settled(outcome=NoFill(user_message_id=str(user))):
                return user
            case _:
                pass
    added = _first(own, Added)
    return None if added is None else added.after


def _reply(asked: Story, user_id: str, *, waited: bool = True) -> str | None:
    """The reply that what came of a preload belongs to, or, with *waited*, that waited for it in vain."""
    for trace in asked:
        match trace:
            case Linked(message_id=reply) | Retold(message_id=reply) | AdEvent(message_id=str(reply)):
                return reply
            case Settled(message_id=reply, outcome=NoFill(skip_code=code)) if reply != user_id:
                if waited or code != "superseded":
                    return reply
            case _:
                pass
    return None


def _verdict(case: _Case, story_of: StoryOf, ad_ttl: float | None, now: float | None) -> tuple[Verdict | None, str]:
    if (reached := _reached(case.reply)) is not None:
        return reached
    linked = _first(case.asked, Linked)
    if linked is not None and not case.reply:
        return "trimmed", f"{linked.message_id}, its reply, left the history so long ago that its story is not kept"
    if case.skip_code == "unlinked":
        return _unlinked(case, story_of)
    return _lost(case) or _waiting(case, ad_ttl, now)


def _reached(reply: Story) -> tuple[Verdict, str] | None:
    """How far the ad came, if there was one."""
    linked, mounted, viewed = _first(reply, Linked), _first(reply, Mounted), _first(reply, Viewed)
    dropped = [trace for trace in reply if isinstance(trace, Dropped)]
    gone = {code for trace in dropped for code in trace.codes}
    left = [] if linked is None else [code for code in linked.bids if code not in gone]
    if viewed is not None:
        return "viewed", f"the user has seen the ad in {viewed.code}"
    if mounted is not None:
        return "mounted", _unseen(reply, mounted.code)
    if dropped and not left:
        if dropped[-1].reason == "trimmed":
            return "trimmed", "the reply left the history of 30 messages before the ad was mounted"
        came = "the reply came" if linked is None else "it was mounted"
        return "expired", f"its time (ad_ttl) was up before {came}"
    if linked is None:
        return None
    if _first(reply, Ended) is not None:
        return "linked", f"an ad was there for {', '.join(left)}, and was not mounted before the session was destroyed"
    return "linked", f"an ad is there for {', '.join(left)}, and is not mounted"


def _unseen(reply: Story, code: str) -> str:
    showing = dict[str, None]()
    failed: AdError | None = None
    for trace in reply:
        match trace:
            case Mounted():
                showing[trace.code] = None
            case Unmounted():
                showing.pop(trace.code, None)
            case AdError(bid_id=str()):
                failed = trace
            case _:
                pass
    if _first(reply, Clicked) is not None:
        return f"the user has clicked the ad in {code}, and no view of it was reported"
    if showing:
        return f"the ad is on a page in {', '.join(showing)}, and it has not been seen yet"
    if failed is not None:
        return f"the ad was on a page in {code}, and failed before it was seen: {failed.err_code}, {failed.message}"
    return f"the ad was on a page in {code}, and its Ad was destroyed before it was seen"


def _lost(case: _Case) -> tuple[Verdict, str] | None:
    """The first thing in a preload's life that ruled the ad out."""
    asked, user_id = case.asked, case.user_id
    question = _first(asked, Added)
    if case.skip_code == "session_disabled" and _first(asked, PreloadStep) is None:
        return "disabled", f"the session was switched off by {case.disabled_by}"
    if question is not None and question.track_only:
        return "track_only", f"{user_id} was added with track_only=True"
    for step in asked:
        match step:
            case PreloadStep(name="coalesced", by=by, at=at):
                late = "" if question is None else f" {_lasted(at - question.at)} after {user_id},"
                return "coalesced", f"{by} came{late} before {user_id} was sent"
            case PreloadStep(name="sent", track_only=True, reason=reason):
                return "paced_out", reason or "the pacing rule held it back"
            case PreloadStep(name="cancelled", reason="session_disabled"):
                return "disabled", "the server switched the session off before the request went out"
            case PreloadStep(name="cancelled", by=str(by)):
                return "cancelled", f"{by} came before {user_id} was answered"
            case PreloadStep(name="cancelled"):
                return "cancelled", f"the session was destroyed before {user_id} was answered"
            case PreloadStep(name="resolved", outcome="no_fill", reason=reason):
                return "no_fill", f"the server had no ad: {reason}"
            case PreloadStep(name="resolved", outcome="error", reason=reason):
                error = _first(asked, AdError)
                return "error", f"{error.err_code}: {error.message}" if error is not None else str(reason)
            case _:
                pass
    return None


def _waiting(case: _Case, ad_ttl: float | None, now: float | None) -> tuple[Verdict | None, str]:
    """Nothing has ruled an ad out; whether one can still come."""
    asked, user_id = case.asked, case.user_id
    if case.skip_code == "superseded":
        return "unlinked", "a newer user message came first"
    filled = _first(asked, Filled)
    if filled is None:
        return None, f"{user_id} is not answered yet"
    newer = next((one for one in asked if isinstance(one, Added) and one.role == "user" and one.after == user_id), None)
    end = newer or _first(asked, Ended)
    until = now if end is None else end.at
    if ad_ttl is not None and until is not None and until >= filled.at + ad_ttl:
        return "expired", "its time (ad_ttl) was up before a reply came"
    if newer is not None:
        return "unlinked", f"{newer.message_id} came before a reply to {user_id}"
    if end is not None:
        return "unlinked", f"the session was destroyed before a reply to {user_id} came"
    return None, f"the ad for {user_id} is there, and waits for the reply"


def _unlinked(case: _Case, story_of: StoryOf) -> tuple[Verdict, str]:
    """Why no preload could reach a reply."""
    user_id, message_id = case.user_id, case.added.message_id
    if user_id is None:
        return "unlinked", "no user message came before it"
    taker = _reply(case.asked, user_id, waited=False)
    if taker is not None:
        first = _first(story_of(taker, message_id), Added)
        later = first is not None and first.message_id == message_id
        return "unlinked", f"what came of {user_id} belongs to {taker}, {'a later' if later else 'an earlier'} reply"
    ended = (trace for trace in case.asked if isinstance(trace, PreloadStep) and trace.name == "resolved")
    if any(ended) and (lost := _lost(case)) is not None:  # it ended before a reply was there, and nobody took its word
        return lost
    return "unlinked", f"a later reply came before {user_id} was answered, and took its place"


# --- steps in words ---


def _steps(story: Story, reply_id: str | None, shown: Sequence[str] | None) -> tuple[ToldStep, ...]:
    """The steps of *story*: of the messages' coming that of the *shown* (or all), and nothing of another reply's ad."""
    steps: list[ToldStep] = []
    for trace in story:
        match trace:
            case Added(message_id=message_id) if shown is not None and message_id not in shown:
                continue
            case AdEvent(message_id=str(message_id)) if message_id != reply_id:
                continue
            case _:
                pass
        if (told := _told(trace)) is not None:
            steps.append(ToldStep(trace.at, *told))
    return tuple(steps)


def _told(trace: Trace) -> tuple[str, str] | None:
    match trace:
        case Added(message_id=message_id, role=role, track_only=track_only):
            return "added", f"{role} message {message_id} added" + (", with track_only=True" if track_only else "")
        case PreloadStep():
            return trace.name, _told_step(trace)
        case Linked(message_id=message_id, bids=bids):
            return "linked", f"linked to {message_id}: {', '.join(bids)}"
        case Settled(message_id=message_id, outcome=outcome):
            return "settled", f"{message_id} settled: {outcome.skip_code}"
        case Retold(message_id=message_id, event=NoFill(skip_code=code) | AdError(err_code=code)):
            return "settled", f"{message_id} settled: {code}"
        case Dropped(codes=codes, reason=reason):
            return "dropped", f"dropped, {reason}: {', '.join(codes)}"
        case Mounted(code=code):
            return "mounted", f"mounted in {code}"
        case Unmounted(code=code):
            return "unmounted", f"its Ad in {code} was destroyed"
        case Ended():
            return "ended", "the session was destroyed"
        case AdEvent():
            return trace.name, _told_event(trace)
        case _:
            return None


def _told_step(step: PreloadStep) -> str:
    match step.name:
        case "scheduled":
            return f"{step.user_message_id} waits 10 ms for a newer user message"
        case "coalesced":
            return f"coalesced into {step.by}"
        case "sent" if not step.track_only:
            return "sent, for an ad" + (f" ({step.reason})" if step.reason else "")
        case "sent" if step.reason:
            return f"sent for the context only, pacing held it back: {step.reason}"
        case "sent":
            return "sent for the context only"
        case "retried":
            return f"attempt {step.attempt} follows in {step.delay_s:g} s: {step.reason}"
        case "cancelled":
            return f"cancelled by {step.by}" if step.by else f"cancelled: {step.reason}"
        case "resolved":
            took = "" if step.duration_s is None else f" after {_lasted(step.duration_s)}"
            if step.outcome == "track_only":
                return f"answered{took}, and no ad was asked for"
            why = f" ({step.reason})" if step.reason else ""
            if step.outcome == "error":
                return f"ended{took}: error{why}"
            return f"answered{took}: {(step.outcome or '').replace('_', '-')}{why}"


def _lasted(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _told_event(event: AdEvent) -> str:
    where = f" in {event.code}" if event.code else ""
    match event:
        case NoFill(skip_code=code):
            return f"{event.name}: {code}"
        case AdError(err_code=code, message=message):
            return f"{event.name}: {code}, {message}"
        case Viewed(revenue=revenue):
            return f"{event.name}{where}" + (f", revenue {revenue:g}" if revenue is not None else "")
        case Filled() | RenderStarted() | Clicked() | VideoCompleted() | RewardGranted():
            return f"{event.name}{where}"
        case _:
            return event.name


def _first(story: Story, kind: type[T]) -> T | None:
    return next((trace for trace in story if isinstance(trace, kind)), None)
