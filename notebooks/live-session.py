# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A live session
#
# **What does an app hear of its ads while people talk, and when?** This notebook is an app: a session over real
# sockets, in real time, against the ad server that comes with the package. Its events are observables, so what one
# wants to know is composed before the conversation begins, and is there when it ends.
#
# The times are those of the machine that runs it, so they differ from run to run. It needs `pip install
# 'kontext-rx[notebook]'`.

# %%
import asyncio
import random
import statistics

import polars as pl
import reactivex.operators as rxops
from IPython.display import Markdown

import kontext_rx as kx
from kontext_rx import Message, ops
from kontext_rx.adserver import AdServer, Lognormal, Settings
from kontext_rx.hosts import RecordingHost
from kontext_rx.marbles import marbles
from kontext_rx.notebook import AdCell

shown = pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True)

# %% [markdown]
# A notebook's code runs on an asyncio loop, and so does the session. The server answers as a far one would: half of
# its answers take more than 0.3 s, and one turn in six gets no ad.

# %%
ads = AdServer(Settings(seed=3, fill_rate=0.84, latency=Lognormal(0.3, 0.7), kinds=("image",)))
await ads.start()
session = kx.create_session(
    publisher_token="dev-token",
    user_id="user-1234",
    conversation_id="conv-5678",
    ad_server_url=ads.url,
)
session

# %% [markdown]
# ## Ask before it happens
#
# `session.events` and `session.preloads` are hot: they tell what happens from now on. `ops` are our operators for ad
# events, `rxops` are RxPY's own; on a session's streams those that need a clock use the session's loop.

# %%
seen, fill_rates, medians, earned, updates = [], [], [], [], []


def is_answered(step):
    return step.name == "resolved"


session.events.subscribe(seen.append)
session.events.pipe(ops.fill_rate()).subscribe(fill_rates.append)
session.preloads.pipe(  # the median of every three answers
    rxops.filter(is_answered),
    rxops.map(lambda step: step.duration_s),
    rxops.buffer_with_count(3),
    rxops.map(statistics.median),
).subscribe(medians.append)
revenue = session.events.pipe(ops.revenue())
revenue.subscribe(earned.append)
watching = revenue.pipe(rxops.debounce(0.25)).subscribe(updates.append)  # for a dashboard: when it has settled

# %% [markdown]
# ## One turn
#
# `await` gives the one word that settles a message: an ad, no ad, or a failure.

# %%
session.add_message(Message.user("u1", "Any tent for two?"))
session.add_message(Message.assistant("a1", "For summer or winter?"))
outcome = await session.outcome("a1")
type(outcome).__name__, outcome.code, outcome.message_id

# %% [markdown]
# ## A conversation
#
# Twelve turns in ten seconds, with an impatient user: some replies take long, and at two places the user writes again
# before there is one.

# %%
QUESTIONS = ("Which tent is light?", "A good coffee grinder?", "Any flight to Lisbon?", "Running shoes for winter?")
dice = random.Random(5)
for number in range(2, 14):
    session.add_message(Message.user(f"u{number}", dice.choice(QUESTIONS)))
    if number in (5, 9):
        await asyncio.sleep(0.15)
        continue
    await asyncio.sleep(0.2 + dice.expovariate(1 / 0.4))
    session.add_message(Message.assistant(f"a{number}", "Here are three."))
    await asyncio.sleep(0.2)
await asyncio.sleep(1.5)

# %% [markdown]
# This is what happened, drawn from the session itself: a row for each turn, and all rows on one axis that begins with
# the question. Where the diamond lies on the bar, the reply waited for the ad.

# %%
marbles(session)

# %% [markdown]
# And this is what the streams have told meanwhile: the share of answers that were an ad, after each of them, and the
# medians of three answers each, in seconds.

# %%
print("fill rate:", " ".join(f"{rate:.0%}" for rate in fill_rates))
print("medians:  ", " ".join(f"{median:.2f}" for median in medians))

# %% [markdown]
# ## What the ads say
#
# An ad speaks when it is on a page. Here a `RecordingHost` is a page that nobody looks at: it loads nothing, and
# `say` plays what a creative would tell. All ads but the first are seen, and one in three is clicked.

# %%
about = {"content": "Tents", "format": "image"}
replies = [turn.reply_id for turn in marbles(session).turns if turn.linked_at is not None]
for place, reply in enumerate(replies[1:]):
    page = RecordingHost()
    session.render(message_id=reply, element=page)
    page.say("event-iframe", name="ad.viewed", payload=about)
    if place % 3 == 0:
        page.say("event-iframe", name="ad.clicked", payload={**about, "url": "https://shop.test", "area": "card"})
await asyncio.sleep(0.5)

names = pl.DataFrame({"event": [event.name for event in seen]})
names.group_by("event", maintain_order=True).len("times")

# %%
print("revenue, view by view:", " ".join(f"{total:.3f}" for total in earned))
print("when it had settled:  ", " ".join(f"{total:.3f}" for total in updates))

# %% [markdown]
# The dashboard would have been told once. The funnel replays its latest value, so it can be asked at any time:

# %%
funnel = await session.funnel.pipe(rxops.take(1))
funnel

# %% [markdown]
# ## The ad in the cell
#
# The ad of the first reply is shown here. `AdCell` is a page too: run this notebook, and the ad can be looked at and
# clicked, with its events beside it. In a saved notebook there is a table of what had happened.

# %%
cell = AdCell(session, "a1")
cell

# %%
linked = [turn for turn in marbles(session).turns if turn.lead_s is not None]
early = sum(turn.lead_s >= 0 for turn in linked)
request_s = statistics.median(turn.request_s for turn in linked)
Markdown(
    "**Answer.** An app hears of each step when it happens: here half of the ads were there within "
    f"{request_s + 0.01:.1f} s of the question, and {early} of {len(linked)} before the reply; fill rate, latency and "
    "revenue were streams over the same events, composed before the first of them."
)

# %% [markdown]
# The ad above is alive for as long as the session is. When you are done:
#
# ```python
# await session.aclose()
# await ads.aclose()
# ```
