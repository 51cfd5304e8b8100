# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Preload timing
#
# **Is the ad there before the reply?** And what do the two things that a session does about time buy: the 10 ms that
# it waits before it asks, and that it lets go of a request when a newer message comes?
#
# The conversations here are made up, and their delays are drawn from distributions that you can change. The sessions
# are real ones, in virtual time: minutes of typing take milliseconds, and every run gives the same numbers.
#
# It needs `pip install 'kontext-rx[notebook]' vl-convert-python`; the second draws Altair's charts as pictures, which
# every reader of notebooks can show.

# %%
import random
from typing import NamedTuple

import altair as alt
import polars as pl
from IPython.display import Markdown

import kontext_rx as kx
from kontext_rx import Message, Recording
from kontext_rx.marbles import marbles
from kontext_rx.testing import VirtualAdServer, VirtualClock, fill, virtual_session

# "jupyter" instead of "png" gives charts to point at, and needs the network.
alt.renderers.enable("png", scale_factor=1.5)
pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_rows=20)

BLUE, ORANGE, GREY = "#2f81f7", "#d97706", "#7b848e"  # they can be seen on white and on black


def finished(chart):
    """On no background of its own, so that it fits a light page and a dark one."""
    words = {"labelColor": GREY, "titleColor": GREY, "titleFontWeight": "normal"}
    return (
        chart.configure(background="transparent")
        .configure_view(stroke=None)
        .configure_axis(gridColor=GREY, gridDash=[1, 4], domain=False, tickColor=GREY, **words)
        .configure_legend(**words)
        .configure_title(color=GREY, anchor="start", fontSize=14)
    )


# %% [markdown]
# ## Conversations
#
# Half of the replies take more than 3 s until they are complete, half of the ads more than 0.6 s, and both have a
# long tail. Besides plain turns there is what spoils them in real apps:
#
# - the app restores a **history**: all of its messages in one go;
# - the app sends a message **twice**, a few milliseconds apart, under two ids (a double click, a second handler);
# - the user **corrects** themselves before there is a reply ("No, summer.").


# %%
MEDIAN_AD_S = 0.6


class Talk(NamedTuple):
    """One conversation, before it has been played."""

    name: str
    said: list[tuple[float, Message]]  # seconds from its start
    ad_s: dict[str, float]  # how long the ad server takes for a user message


def conversation(name: str, turns: int = 8) -> Talk:
    dice = random.Random(name)
    said: list[tuple[float, Message]] = []
    ad_s: dict[str, float] = {}
    at = 0.0

    def seconds(median: float, spread: float) -> float:
        return round(median * dice.lognormvariate(0, spread), 3)

    def ask(text: str) -> None:
        user = Message.user(f"u{len(ad_s) + 1}", text)
        ad_s[user.id] = seconds(MEDIAN_AD_S, 0.7)
        said.append((at, user))

    def reply() -> None:
        said.append((at, Message.assistant(f"a{len(ad_s)}", "Then take a light one.")))

    if dice.random() < 0.25:  # what they had said the day before
        for _ in range(dice.randint(2, 5)):
            ask("Any tent for two?")
            reply()
        at += seconds(12, 0.6)
    for _ in range(turns):
        ask("Which one is light?")
        kind = dice.random()
        if kind < 0.08:  # twice
            at += round(dice.uniform(0.001, 0.008), 3)
            ask("Which one is light?")
        elif kind < 0.20:  # corrected
            at += seconds(1.2, 0.9)
            ask("No, for summer.")
        at += seconds(3, 0.6)
        reply()
        at += seconds(14, 0.6)
    return Talk(name, said, ad_s)


talks = [conversation(f"conversation {number}") for number in range(1, 61)]

# %% [markdown]
# `kx.record` writes down everything that enters a session and everything that it does. A recording of your own
# service, `Recording.load("conversation.jsonl")`, goes into the tables and pictures below just as well, but for the
# one with other ad servers.


# %%
def play(talk: Talk, slower: float = 1.0) -> Recording:
    """The recording of a conversation, with an ad server that takes *slower* times as long."""
    clock = VirtualClock("2026-03-02T08:15:00Z")
    server = VirtualAdServer(clock)

    def answer(request):
        asked = next(one["id"] for one in reversed(request.body["messages"]) if one["role"] == "user")
        return fill("inlineAd").in_(talk.ad_s[asked] * slower)

    server.default["/preload"] = answer
    session = virtual_session(server, conversation_id=talk.name)
    recording = kx.record(session)
    began = clock.at
    for at, message in talk.said:
        clock.advance(max(began + at - clock.at, 0))
        session.add_message(message)
    clock.advance(60)
    return recording


recordings = [play(talk) for talk in talks]
recordings[0]

# %% [markdown]
# ## One of them
#
# The shortest one in which messages were coalesced and a request was let go of. From left to right each stretch has
# room by its logarithm, so that 10 ms can be seen beside a minute; where nobody does anything the time is cut (`//`).


# %%
def is_eventful(recording: Recording) -> bool:
    return {"coalesced", "cancelled"} <= {step.name for step in recording.preloads}


eventful = min(filter(is_eventful, recordings), key=lambda recording: len(recording.entries))
marbles(eventful)

# %% [markdown]
# ## All of them
#
# A recording is a table, one row an entry, by `to_polars()`. These are the steps of all preloads:

# %%
tables = [recording.to_polars() for recording in recordings]
steps = pl.concat(tables).filter(kind="preload-step")
steps.group_by("name").len("times").sort("times", descending=True)

# %% [markdown]
# For timing there is a shorter way: `marbles(...).turns` has one value for each user message, with everything that
# was measured about it.


# %%
def turns_of(recordings: list[Recording]) -> pl.DataFrame:
    """A row for each user message."""
    rows = [
        {
            "talk": recording.header.conversation_id,
            "outcome": turn.outcome,
            "added_at": turn.added_at,
            "request_s": turn.request_s,
            "reply_s": None if turn.reply_at is None else round(turn.reply_at - turn.added_at, 3),
            "lead_s": turn.lead_s,
        }
        for recording in recordings
        for turn in marbles(recording).turns
    ]
    until_next = pl.col("added_at").shift(-1).over("talk") - pl.col("added_at")
    return pl.DataFrame(rows).with_columns(next_s=until_next.round(3))


turns = turns_of(recordings)
turns.group_by("outcome").agg(turns=pl.len(), median_request_s=pl.median("request_s").round(3)).sort("outcome")

# %% [markdown]
# ## What the debounce buys
#
# A session waits until a user message has been the newest for 10 ms. What if that were 1 ms, or a second? A window
# saves the request of every message that is followed by another one within it, and delays the ads of all the others
# by its length.

# %%
# The last reply of a restored history is there before anybody could ask for an ad: it is no wait.
shown = turns.filter(pl.col("lead_s").is_not_null(), pl.col("reply_s") > 0)


def with_window(window_s: float) -> list[dict]:
    saved = turns.select((pl.col("next_s") < window_s).fill_null(value=False).mean()).item()
    late = shown.select((pl.col("request_s") + window_s > pl.col("reply_s")).mean()).item()
    return [
        {"window_s": window_s, "what": "requests saved", "share": saved},
        {"window_s": window_s, "what": "ads later than the reply", "share": late},
    ]


windows = [round(10 ** (step / 10), 5) for step in range(-30, 6)]
curves = pl.DataFrame([row for window_s in windows for row in with_window(window_s)])

labels = "{'0.001': '1 ms', '0.01': '10 ms', '0.1': '100 ms', '1': '1 s'}[toString(datum.value)]"
lines = (
    alt.Chart(curves, width=620, height=260, title="What a longer or shorter debounce would do")
    .mark_line(strokeWidth=2.5)
    .encode(
        x=alt.X("window_s:Q", title="debounce")
        .scale(type="log", domain=[0.001, 3.2], nice=False)
        .axis(values=[0.001, 0.01, 0.1, 1], labelExpr=labels),
        y=alt.Y("share:Q", title="share of user messages, of ads").axis(format="%"),
        color=alt.Color("what:N", title=None).scale(range=[ORANGE, BLUE]).legend(orient="top"),
    )
)
ours = alt.Chart(pl.DataFrame({"window_s": [0.01]})).mark_rule(strokeDash=[4, 3], color=GREY).encode(x="window_s:Q")
finished(lines + ours)

# %% [markdown]
# The blue line rises up to 10 ms and is flat from there to some 200 ms: programs repeat themselves within
# milliseconds, people take longer. To save more, the debounce would have to be as long as a correction takes, and
# then ads come late.

# %% [markdown]
# ## What cancelling buys
#
# So a correction is not coalesced, it is *cancelled*: a request that is still on its way is let go of at once. The
# newer message does not wait for the older one's answer, and nobody gets an ad for what they do not ask any more. How
# often that happens is a matter of the ad server. The same conversations again, with servers that are faster and
# slower:


# %%
def with_server(slower: float) -> dict:
    turns = turns_of([play(talk, slower) for talk in talks])
    corrected = turns.filter(pl.col("next_s") >= 0.01, pl.col("next_s") < pl.col("reply_s").fill_null(float("inf")))
    shown = turns.filter(pl.col("lead_s").is_not_null(), pl.col("reply_s") > 0)
    return {
        "half of the ads within (s)": round(MEDIAN_AD_S * slower, 2),
        "corrected": len(corrected),
        "cancelled in flight": len(corrected.filter(outcome="cancelled")),
        "ads under a reply": len(shown),
        "there before the reply": shown.select((pl.col("lead_s") >= 0).mean()).item(),
    }


servers = pl.DataFrame([with_server(slower) for slower in (0.25, 0.5, 1, 2, 4, 8)])
servers.with_columns(pl.col("there before the reply").round(3))

# %% [markdown]
# ## Is the ad there before the reply?
#
# Each dot is an ad under a reply, with the server as it was at first. Below the line the ad was there when the reply
# was complete; above it the reply waited.

# %%
seconds = "{'0.1': '0.1 s', '1': '1 s', '10': '10 s'}[toString(datum.value)]"
axis = {"values": [0.1, 1, 10], "labelExpr": seconds}
dots = (
    alt.Chart(
        shown.with_columns(ad_s=pl.col("reply_s") - pl.col("lead_s"), late=pl.col("lead_s") < 0), width=420, height=420
    )
    .mark_circle(size=16, opacity=1, aria=False)
    .encode(
        x=alt.X("reply_s:Q", title="the reply is complete after")
        .scale(type="log", domain=[0.08, 25], nice=False)
        .axis(**axis),
        y=alt.Y("ad_s:Q", title="the ad is there after").scale(type="log", domain=[0.08, 25], nice=False).axis(**axis),
        color=alt.Color("late:N").scale(domain=[False, True], range=[BLUE, ORANGE]).legend(None),
    )
)
ends = pl.DataFrame({"reply_s": [0.08, 25], "ad_s": [0.08, 25]})
even = alt.Chart(ends).mark_line(strokeDash=[4, 3], color=GREY, strokeWidth=1).encode(x="reply_s:Q", y="ad_s:Q")
finished(dots + even)

# %% [markdown]
# The same for one long conversation, a row for each turn and all rows on one axis that begins with the user message:
# the request in green, the wait for the reply dotted. Nobody mounts these ads, so what left the history of 30
# messages was dropped (a grey cross).

# %%
marbles(play(conversation("a long one", turns=40)))

# %%
early = shown.select((pl.col("lead_s") >= 0).mean()).item()
lead = shown.select(pl.median("lead_s")).item()
coalesced = len(turns.filter(outcome="coalesced")) / len(turns)
late = len(shown.filter(pl.col("lead_s").is_between(-0.01, 0, closed="left")))
slowest = servers.row(-1, named=True)
Markdown(
    f"**Answer.** With a median of {MEDIAN_AD_S:g} s for the ad and 3 s for the reply, the ad was there first under "
    f"{early:.1%} of {len(shown)} replies, by {lead:.1f} s in the median; the 10 ms saved {coalesced:.0%} of the "
    f"requests and made {late or 'no'} ads late, and cancelling matters where the ad server is slow: at "
    f"{slowest['half of the ads within (s)']:g} s it let go of {slowest['cancelled in flight']} of "
    f"{slowest['corrected']} requests for what the user had corrected."
)
