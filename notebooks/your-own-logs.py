# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own logs
#
# **I have last month's export; which pacing rule should go live, and how sure am I?** Today every third turn may have
# an ad. There are two ideas that might earn more, and nobody wants users to leave for it: of a hundred conversations
# at most two more than today may be left early.
#
# The export here is made up, so that the notebook runs anywhere and every run gives the same numbers. To use yours,
# replace one cell.
#
# It needs `pip install 'kontext-rx[cli,simulate]' vl-convert-python`; the last draws Altair's charts as pictures,
# which every reader of notebooks can show.

# %%
import datetime as dt
import io
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import altair as alt
import polars as pl
from IPython.display import Markdown

from kontext_rx import Message, Session, pacing
from kontext_rx.marbles import marbles
from kontext_rx.simulate import Lognormal, Models, Results, simulate
from kontext_rx.simulate.report import report
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

# "jupyter" instead of "png" gives charts to point at, and needs the network.
alt.renderers.enable("png", scale_factor=1.5)
pl.Config(
    tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_rows=20, tbl_width_chars=140, float_precision=3
)

BLUE, ORANGE, GREY = "#2f81f7", "#d97706", "#7b848e"  # they can be seen on white and on black


def finished(chart):
    """On no background of its own, so that it fits a light page and a dark one."""
    words = {"labelColor": GREY, "titleColor": GREY, "titleFontWeight": "normal"}
    return (
        chart.configure(background="transparent")
        .configure_view(stroke=None)
        # Dotted and not pale: on no background vl-convert draws darker what is half transparent.
        .configure_axis(gridColor=GREY, gridDash=[1, 4], domain=False, tickColor=GREY, **words)
        .configure_legend(**words)
        .configure_title(color=GREY, anchor="start", frame="group", fontSize=13, fontWeight="normal")
    )


# %% [markdown]
# ## The export
#
# JSONL, a conversation a line: its id, whose it is, and its messages with their times. Here 160 users have one to
# twelve conversations each in March, most of them short. With a file of your own, write `export =
# Path("march.jsonl")` in place of this cell. The simulation does without users and times where the file has none
# ([what is kept, and what is made up](../docs/explanation/simulator.md)); the look into it below does not.

# %%
QUESTIONS = ("Any tent for two?", "Which one is light?", "Is it any good in the rain?", "And for winter?", "Thank you!")
ANSWERS = ("This one weighs 900 g.", "A light one has two poles.", "It is, up to 3,000 mm.", "Take the warmer bag.")


def made_up_month(seed: str) -> list[dict]:
    dice = random.Random(seed)
    month = []

    def message(role: str, texts: tuple[str, ...], at: dt.datetime) -> dict:
        return {"role": role, "content": dice.choice(texts), "created_at": at.isoformat(timespec="milliseconds")}

    for user in range(1, 161):
        for _ in range(min(1 + int(dice.expovariate(1 / 2.2)), 12)):
            hour = dice.gauss(15, 4) % 24
            at = dt.datetime(2026, 3, dice.randint(1, 31), tzinfo=dt.UTC) + dt.timedelta(hours=hour)
            messages = []
            for _ in range(min(1 + int(dice.lognormvariate(1.9, 0.6)), 30)):
                messages.append(message("user", QUESTIONS, at))
                at += dt.timedelta(seconds=dice.lognormvariate(1.2, 0.5))  # the reply is complete
                messages.append(message("assistant", ANSWERS, at))
                at += dt.timedelta(seconds=dice.lognormvariate(3.0, 0.9))  # it is read, and answered
            month.append({"id": f"talk-{len(month) + 1}", "user_id": f"user-{user}", "messages": messages})
    return sorted(month, key=lambda conversation: conversation["messages"][0]["created_at"])


folder = tempfile.TemporaryDirectory()
export = Path(folder.name) / "march.jsonl"
lines = [json.dumps(conversation) + "\n" for conversation in made_up_month("March")]
export.write_text("".join(lines), "utf-8")
print(min(lines, key=len))

# %% [markdown]
# What is in it?

# %%
talks = pl.read_ndjson(export).with_columns(
    begins=pl.col("messages").list.first().struct.field("created_at").str.to_datetime(time_zone="UTC"),
    ends=pl.col("messages").list.last().struct.field("created_at").str.to_datetime(time_zone="UTC"),
    turns=pl.col("messages").list.eval(pl.element().struct.field("role") == "user").list.sum(),
)
talks.select(
    conversations=pl.len(),
    users=pl.col("user_id").n_unique(),
    turns=pl.sum("turns"),
    median_turns=pl.median("turns"),
    median_minutes=(pl.col("ends") - pl.col("begins")).dt.total_seconds().median() / 60,
)

# %% [markdown]
# ## One conversation
#
# Before all of them, one: does the rule do what I mean? `replay` feeds a conversation of the export to a real session,
# each message at its own time, on a clock that is moved by hand. The ad server is one that always has an ad, after
# 0.3 s. The rule is the first of the two ideas: none in the first turn, and then at least a minute between two ads.
# What it holds back is still sent, so that the server knows the conversation, but for no ad (*track only*).

# %%
a_minute_apart = pacing.skip_first(1) & pacing.cooldown(60)


def replay(conversation: dict, rule: pacing.AnyRule) -> Session:
    """The session in which this conversation was held under *rule*, a minute after its last message."""
    said = [
        Message(f"m{place}", one["role"], one["content"], dt.datetime.fromisoformat(one["created_at"]))
        for place, one in enumerate(conversation["messages"], start=1)
    ]
    clock = VirtualClock(said[0].created_at)
    server = VirtualAdServer(clock, latency=0.3)
    session = virtual_session(server, conversation_id=conversation["id"], user_id=conversation["user_id"], pacing=rule)
    for message in said:
        clock.advance(max(message.created_at.timestamp() - clock.at, 0))
        session.add_message(message)
    clock.advance(60)
    return session


conversation = talks.filter(turns=5).row(0, named=True)
session = replay(conversation, a_minute_apart)
marbles(session)

# %%
for message in session.messages:
    why = session.explain(message.id)
    if message.role == "user" and why.verdict == "paced_out":
        print(f"no ad for {message.id}: {why.reason}")

# %% [markdown]
# ## All of them, under four rules
#
# `simulate` plays each conversation of the file under each rule, with people, an ad server and chance from `Models`.
# All rules meet the same people: the same user types as long and would click the same ad. `every turn` is no
# candidate: it shows what there is to be had, and what that costs. `three a day` is the second idea: three ads a day
# for each user, over all of their conversations. `SEEDS` is how often everything is played, each time with other
# dice; to leave early is rare, and played once its count would be mostly chance.

# %%
SEEDS = 20

rules = {
    "every turn": pacing.every(1),
    "today": pacing.every(3),
    "a minute apart": a_minute_apart,
    "three a day": pacing.per_user(pacing.at_most(3, per=86_400)),
}
ideas = [rule for rule in rules if rule not in ("every turn", "today")]
results = simulate(export, rules, seeds=SEEDS)
results.table.select(
    "rule",
    ads="ads_per_conversation",
    ready="ready_share",
    revenue="revenue_per_1000",
    low="revenue_per_1000_low",
    high="revenue_per_1000_high",
)

# %% [markdown]
# Ads per conversation, how many of them are there before the reply, and revenue per 1,000 conversations, between the
# ends of its 95 % interval. The picture, for a slide (`theme="dark"` for a dark one), also has the conversations that
# are left early:

# %%
results.plot()

# %% [markdown]
# ## Against today
#
# In the picture each rule stands for itself. But all of them met the same people, and a user who brings much under one
# rule brings much under another. `differences` takes that out: its intervals are narrower than those of two values
# that one subtracts.

# %%
EARNS, LEAVES = "revenue_per_1000", "abandonment"

against_today = results.differences("today").filter(pl.col("metric").is_in([EARNS, LEAVES]))
against_today.sort("metric", maintain_order=True)

# %% [markdown]
# `abandonment` is the share of conversations that are left early: 0.01 is one more in a hundred.
#
# A rule may go live when even the upper end of that interval keeps to the limit. "It is not clear that more are left"
# would not do, because with few users nothing is clear. Among those rules, the one that earns most:

# %%
LIMIT = 0.02


def gap(results: Results, rule: str, metric: str) -> dict:
    """How far *rule* is from today's."""
    is_it = (pl.col("rule") == rule) & (pl.col("metric") == metric)
    return results.differences("today").row(by_predicate=is_it, named=True)


def chosen_of(results: Results) -> str:
    """The idea that earns most of those that surely keep to the limit; today's rule where none surely earns more."""
    gains = {
        rule: gap(results, rule, EARNS)["difference"]
        for rule in ideas
        if gap(results, rule, LEAVES)["high"] <= LIMIT and gap(results, rule, EARNS)["low"] > 0
    }
    return max(gains, key=gains.__getitem__, default="today")


chosen = chosen_of(results)
chosen

# %% [markdown]
# ## How sure is one?
#
# There are three ways to be wrong.
#
# **Another month has other users.** That is what the intervals are for: users were drawn from those of the export
# again and again, some twice and some not at all, and in 95 % of the draws the value was between the ends. The rule
# earns more than today's. Does it also earn more than the other idea?

# %%
results.differences(chosen).filter(metric=EARNS)

# %% [markdown]
# And was it so all month, or in one lucky week? `results.turns` has a row for each turn, so one can count for oneself.
# Revenue per 1,000 conversations, eight days at a time:

# %%
began = pl.col("at").min().over("conversation")
(
    results.turns.with_columns(from_day=(began.dt.day() - 1) // 8 * 8 + 1)
    .group_by("from_day", "rule")
    .agg(pl.sum("revenue") / pl.struct("conversation", "seed").n_unique() * 1000)
    .sort("rule")
    .pivot("rule", index="from_day", values="revenue")
    .sort("from_day")
)

# %% [markdown]
# **The engine could be wrong.** `simulate` does arithmetic, because real sessions take eighty times as long. For the
# first forty conversations both can be had. Are they the same, turn by turn, to the microsecond?

# %%
some = b"".join(export.read_bytes().splitlines(keepends=True)[:40])
in_sessions = simulate(io.BytesIO(some), rules, engine="session").turns
print(f"{len(in_sessions):,} turns are the same: {in_sessions.equals(simulate(io.BytesIO(some), rules).turns)}")

# %% [markdown]
# **The assumptions could be wrong**, and no interval tells. The export knows when people wrote, but not how the ad
# server answers, nor what people make of ads. That is assumed, in round numbers
# ([each with its source](../docs/explanation/simulator.md)). What can be measured should be:
# `Models.from_recordings` reads the times from recordings of your service. For the rest, try other worlds, and see
# whether the choice stands. Here is by which share of today's revenue each idea would earn more there:


# %%
def in_world(**assumed) -> Results:
    """Today's rule and the ideas under other assumptions."""
    candidates = {rule: rules[rule] for rule in ("today", *ideas)}
    return simulate(export, candidates, seeds=SEEDS, models=Models(**assumed), keep_turns=False)


def told(world: str, results: Results) -> dict:
    today = dict(results.table.select("rule", EARNS).iter_rows())["today"]
    more = {rule: round(gap(results, rule, EARNS)["difference"] / today, 3) for rule in ideas}
    return {"world": world, "chosen": chosen_of(results), **more}


pl.DataFrame(
    [
        told("as assumed", results),
        told("half of the ads after 1.5 s", in_world(latency=Lognormal(1.5, 0.6))),
        told("half as many fills", in_world(fill=(0.43, 0.4, 0.37, 0.35))),
        told("later ads are worth as much", in_world(revenue=(0.02,))),
        told("three ads in ten are seen", in_world(view=0.3)),
    ]
)

# %% [markdown]
# One assumption weighs more than these: how many users have enough after an ad. It is 1 % here, and nobody has
# measured it. So the whole range:

# %%
shares = [0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]
leaving = {share: in_world(leave_after_ad=share) for share in shares}
found = pl.DataFrame(
    [
        {"share": f"{share:.1%}", **gap(results, rule, metric)}
        for share, results in leaving.items()
        for rule in ideas
        for metric in (EARNS, LEAVES)
    ]
)


def panel(metric: str, title: str, limit: float, form: str) -> alt.LayerChart:
    base = alt.Chart(found.filter(metric=metric), width=290, height=240, title=title).encode(
        x=alt.X("share:O", title="users who have enough after an ad").axis(labelAngle=0, labelPadding=8, ticks=False),
        xOffset=alt.XOffset("rule:N", sort=ideas).scale(paddingOuter=1),
        color=alt.Color("rule:N", title=None, sort=ideas).scale(range=[BLUE, ORANGE]).legend(orient="top"),
    )
    ends = base.mark_rule(strokeWidth=2.5).encode(
        y=alt.Y("low:Q", title=None).axis(format=form, ticks=False), y2="high:Q"
    )
    dots = base.mark_circle(size=60, opacity=1).encode(y="difference:Q")
    line = alt.Chart(pl.DataFrame({"y": [limit]})).mark_rule(strokeDash=[6, 4], strokeWidth=2, color=GREY)
    return line.encode(y="y:Q") + ends + dots


panels = [
    panel(EARNS, "more revenue per 1,000 conversations than today", 0, "~f"),
    panel(LEAVES, "more conversations left early than today", LIMIT, "~%"),
]
finished(alt.hconcat(*panels, spacing=36))

# %% [markdown]
# Revenue hardly moves, and the users who leave do. On the right a rule may go live where all of its interval is below
# the dashed limit:

# %%
choices = {share: chosen_of(results) for share, results in leaving.items()}
pl.DataFrame({"have_enough": [f"{share:.1%}" for share in choices], "chosen": choices.values()})

# %% [markdown]
# What no assumption covers here: users who do not come back next month, and an ad server that answers otherwise to
# those who see more ads. These take an experiment; the simulation says which rule is worth one.

# %% [markdown]
# ## The report
#
# For those who were not here there is a page: in words, with the pictures, and with everything that was assumed. The
# command line makes the same one, without a notebook; `every turn` is there by itself.

# %%
named = [argument for name in ("today", *ideas) for argument in ("--rule", f"{name}={rules[name]}")]
command = ["simulate", export.name, *named, "--seeds", str(SEEDS), "--out", "report.html"]
print("kontext-rx", shlex.join(command).replace(" --", " \\\n    --"))

# %%
plain = {name: value for name, value in os.environ.items() if "COLOR" not in name}  # a notebook asks for colours
done = subprocess.run(
    [sys.executable, "-m", "kontext_rx", *command],
    cwd=folder.name,
    env={**plain, "COLUMNS": "100"},
    capture_output=True,
    encoding="utf-8",
    check=True,
)
print(done.stdout)
page = Path(folder.name, "report.html").read_text("utf-8")
print("The same page:", page == report(results, baseline="every turn", files=[export]))

# %% [markdown]
# ## What to tell the manager

# %%
earned = dict(results.table.select("rule", EARNS).iter_rows())
if chosen == "today":
    answer = "Keep today's rule: none of the others earns more for certain and keeps to the limit."
else:
    more, left = gap(results, chosen, EARNS), gap(results, chosen, LEAVES)
    stands = max((share for share, choice in choices.items() if choice == chosen), default=0.0)
    answer = (
        f"Let `{rules[chosen]}` go live: per 1,000 conversations it earns {earned[chosen]:.1f} instead of "
        f"{earned['today']:.1f} ({more['difference'] / earned['today']:.0%} more), and "
        f"{1000 * left['difference']:.0f} more of them are left early. I am 95% sure of {more['low']:.1f} to "
        f"{more['high']:.1f} more revenue and of {1000 * left['low']:.0f} to {1000 * left['high']:.0f} more that are "
        f"left, if next month's users are like these, and no more than {stands:.1%} of them have enough after an ad; "
        "that is assumed, so begin with a tenth of them, and measure it."
    )
Markdown(f"**Answer.** {answer}")
