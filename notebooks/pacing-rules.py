# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Pacing rules
#
# **Which rule should go live?** Without one there is an ad under every reply that the server has one for. Fewer ads
# bring less, and annoy less; which rule gives up the least for the most quiet?
#
# A recording of conversations without any rule can be run again under every rule that one thinks of, because a rule
# only says which turns may have an ad. The conversations are made up, but the sessions are real ones, in virtual
# time, and every run gives the same numbers.
#
# It needs `pip install 'kontext-rx[notebook]' vl-convert-python`; the second draws Altair's charts as pictures, which
# every reader of notebooks can show.

# %%
import random
import uuid

import altair as alt
import polars as pl
from IPython.display import Markdown

import kontext_rx as kx
from kontext_rx import Clicked, Message, PreloadStep, Recording, Session, Viewed, pacing
from kontext_rx.hosts import RecordingHost
from kontext_rx.testing import VirtualAdServer, VirtualClock, fill, no_fill, virtual_session

# "jupyter" instead of "png" gives charts to point at, and needs the network.
alt.renderers.enable("png", scale_factor=1.5)
pl.Config(
    tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_rows=20, fmt_str_lengths=80, tbl_width_chars=140
)

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
# ## A rule, and why it says what it says
#
# Rules are composed with `&`, `|` and `~`: "none in the first two turns, then at most one a minute, and none in the
# five minutes after a click".

# %%
gentle = pacing.skip_first(2) & pacing.cooldown(60) & ~pacing.after(Clicked, 300)
gentle

# %% [markdown]
# `play` is an app: it feeds the messages, mounts an ad under every reply, and there is a user who looks at most of
# the ads and clicks one in eight that they saw. What is drawn depends on the conversation and the turn alone, so the
# same user meets every rule.

# %%
TEXTS = ("Which one is light?", "Show me more.", "Is it any good in the rain?", "Tell me about the poles.")


def play(name: str, rule: pacing.AnyRule | None = None) -> tuple[Session, Recording]:
    """A conversation, its session still open, and the recording of it."""
    dice = random.Random(name)
    turns = dice.randint(6, 24)
    draws = [[dice.random() for _ in range(6)] for _ in range(turns)]
    clock = VirtualClock("2026-03-02T08:15:00Z")
    server = VirtualAdServer(clock)

    def answer(request):
        asked = next(one["id"] for one in reversed(request.body["messages"]) if one["role"] == "user")
        draw = draws[int(asked[1:]) - 1]
        bid_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{asked}"))
        return no_fill() if draw[0] < 0.15 else fill(revenue=round(0.002 + 0.01 * draw[1], 4), bid_id=bid_id)

    server.default["/preload"] = answer
    session = virtual_session(server, conversation_id=name, pacing=rule)
    recording = kx.record(session, texts=True)  # with the texts, for a rule that reads them
    for number, (_, _, looks, clicks, reading, text) in enumerate(draws, start=1):
        session.add_message(Message.user(f"u{number}", TEXTS[int(text * len(TEXTS))]))
        clock.advance(3)
        session.add_message(Message.assistant(f"a{number}", "A light one has two poles."))
        host = RecordingHost()  # a page that nobody draws
        session.render(message_id=f"a{number}", element=host)
        host.say("event-iframe", name="ad.render-started", payload={})
        clock.advance(2)
        if looks < 0.8:
            host.say("event-iframe", name="ad.viewed", payload={"content": "Tents", "format": "inline"})
            clock.advance(2)
            if clicks < 0.125:
                about = {"content": "Tents", "format": "inline", "url": "https://shop.test/tents", "area": "card"}
                host.say("event-iframe", name="ad.clicked", payload=about)
        clock.advance(round(5 + 70 * reading**2))
    return session, recording


session, _ = play("conversation 23", gentle)
print(session.explain("a2"))
print(session.explain("a3"))
print(session.explain("a4"))

# %% [markdown]
# `session.funnel` is how far the turns of a session came. It is an observable: subscribed, it tells the present state
# first.

# %%
watching = session.funnel.subscribe(print)

# %% [markdown]
# ## The same conversations under other rules
#
# First the recordings, without a rule. `recording.replay(rules=...)` runs what entered the session through it once
# more and decides anew.

# %%
recordings = [play(f"conversation {number}")[1] for number in range(1, 51)]


def is_question(message: Message) -> bool:
    return message.content.endswith("?")


rules = {
    "no rule": None,
    "every(3)": pacing.every(3),
    "sample(0.3)": pacing.sample(0.3, seed=1),
    "cooldown(60)": pacing.cooldown(60),
    "cooldown(180)": pacing.cooldown(180),
    "at_most(3)": pacing.at_most(3),
    "only_if(is_question)": pacing.only_if(is_question),
    "gentle": gentle,
    "quiet": gentle & pacing.cooldown(180),
}
replays = {
    name: recordings if rule is None else [recording.replay(rules=rule) for recording in recordings]
    for name, rule in rules.items()
}

# %% [markdown]
# A session that had the rule from the start would have done the same, to the last time stamp:

# %%
print(play("conversation 23", gentle)[1].traces == replays["gentle"][22].traces)

# %% [markdown]
# ## Which turns each rule lets through
#
# One conversation; each row is a rule, each column a turn.


# %%
def turns_of(name: str, recording: Recording) -> list[dict]:
    """A row for each turn: what became of it under the rule called *name*."""
    clicked = {event.user_message_id for event in recording.events if isinstance(event, Clicked)}
    viewed = {event.user_message_id: event.revenue for event in recording.events if isinstance(event, Viewed)}
    sent = [step for step in recording.traces if isinstance(step, PreloadStep) and step.name == "sent"]
    ended = {step.user_message_id: step.outcome for step in recording.preloads if step.name == "resolved"}
    return [
        {
            "rule": name,
            "talk": recording.header.conversation_id,
            "turn": int(step.user_message_id[1:]),
            "at": step.at - recording.header.at,
            "what": "held back" if step.track_only else {"filled": "ad"}.get(ended[step.user_message_id], "no fill"),
            "clicked": step.user_message_id in clicked,
            "revenue": viewed.get(step.user_message_id, 0.0),
            "why": step.reason or "",
        }
        for step in sent
    ]


turns = pl.DataFrame([row for name in rules for recording in replays[name] for row in turns_of(name, recording)])
one = turns.filter(talk="conversation 23")

kinds = ["ad", "no fill", "held back"]
base = alt.Chart(one, width=640, height=alt.Step(30)).encode(
    x=alt.X("turn:O", title="turn").axis(labelAngle=0, grid=False, ticks=False),
    y=alt.Y("rule:N", title=None, sort=list(rules)).axis(grid=True, ticks=False),
)
dots = base.mark_point(shape="circle", strokeWidth=1.5, opacity=1, aria=False).encode(
    size=alt.condition("datum.what == 'held back'", alt.value(14), alt.value(150)),
    fill=alt.Fill("what:N", title=None).scale(domain=kinds, range=[BLUE, "transparent", GREY]).legend(orient="top"),
    stroke=alt.Stroke("what:N", title=None).scale(domain=kinds, range=[BLUE, BLUE, GREY]),
    tooltip=["turn", "what", "why"],
)
clicks = base.transform_filter("datum.clicked").mark_text(text="★", color=ORANGE, fontSize=13, dy=-13, dx=11)
finished(dots + clicks)

# %% [markdown]
# A star is a click. After the one at turn 13 `gentle` and `quiet` have no ad for five minutes; the other rules go on
# as if nothing had happened. Why was there no ad under reply 18?

# %%
print(replays["gentle"][22].explain("a18"))

# %% [markdown]
# ## What each rule costs, and what it spares
#
# The funnel of a recording is that of its session in the end. Summed over the fifty conversations:


# %%
def funnel_of(name: str) -> dict:
    funnels = [recording.funnel for recording in replays[name]]
    stages = ("turns", "sent", "filled", "viewed", "clicked")
    sums = {stage: sum(getattr(funnel, stage) for funnel in funnels) for stage in stages}
    return {"rule": name, **sums, "revenue": round(sum(funnel.revenue for funnel in funnels), 2)}


funnels = pl.DataFrame([funnel_of(name) for name in rules])
funnels

# %% [markdown]
# Revenue is one side. The other is what the user puts up with: how many of the ads come within two minutes of the one
# before, how many within five minutes of a click, and in how many conversations there is one under the first two
# replies.

# %%
ads = turns.filter(what="ad").with_columns(
    since_ad=pl.col("at") - pl.col("at").shift(1).over("rule", "talk"),
    clicked_at=pl.when("clicked").then("at").forward_fill().shift(1).over("rule", "talk"),
)
puts_up_with = ads.group_by("rule").agg(
    within_2_min=(pl.col("since_ad") < 120).sum() / pl.len(),
    after_click=(pl.col("at") - pl.col("clicked_at") < 300).sum() / pl.len(),
    at_once=pl.col("talk").filter(pl.col("turn") <= 2).n_unique() / len(recordings),
)
revenue = funnels.select("rule", revenue=pl.col("revenue") / pl.col("revenue").first())
rated = revenue.join(puts_up_with, on="rule", maintain_order="left")
rated.with_columns(pl.exclude("rule").round(3))


# %%
def panel(field: str, title: str, colour: str) -> alt.LayerChart:
    labels = None if field != "revenue" else alt.Axis(title=None, ticks=False, grid=False, labelFontSize=12)
    base = alt.Chart(rated, width=125, height=alt.Step(26), title=title).encode(
        x=alt.X(f"{field}:Q").scale(domain=[0, 1.25]).axis(None), y=alt.Y("rule:N", sort=list(rules), axis=labels)
    )
    bars = base.mark_bar(color=colour, height=12, opacity=1)
    shares = base.mark_text(align="left", dx=4, color=GREY).encode(text=alt.Text(f"{field}:Q", format=".0%"))
    return bars + shares


panels = [
    panel("revenue", "revenue kept", BLUE),
    panel("within_2_min", "within 2 min of another", ORANGE),
    panel("after_click", "within 5 min of a click", ORANGE),
    panel("at_once", "in the first two turns", ORANGE),
]
finished(alt.hconcat(*panels, spacing=24)).configure_title(color=GREY, anchor="start", fontSize=12)

# %% [markdown]
# What a replay does not know: the server might have answered otherwise to a user who had seen fewer ads, and the user
# might have stayed longer, or clicked more. It says what a rule lets through, and that exactly; what people make of
# it takes an experiment.

# %%
share = {row["rule"]: row for row in rated.iter_rows(named=True)}
filled = dict(funnels.select("rule", "filled").iter_rows())
kept = {name: round(100 * row["revenue"]) for name, row in share.items()}
Markdown(
    f"**Answer.** `{gentle}`: with {filled['gentle']} ads instead of {filled['no rule']} it keeps {kept['gentle']}% of "
    f"the revenue; of the rest the minute between ads costs {100 - kept['cooldown(60)']} points, and the quiet "
    f"beginning and the quiet after a click {kept['cooldown(60)'] - kept['gentle']}. If it is too much that "
    f"{share['gentle']['within_2_min']:.0%} of the ads still come within two minutes of another, three minutes between "
    f"them cost {kept['gentle'] - kept['quiet']} points more."
)
