"""Only type-checked: how an app may call the public API."""

from __future__ import annotations

from typing import assert_type

import reactivex.operators as rxops
from reactivex import Observable

import kontext_rx as kx
from kontext_rx import AdError, AdEvent, Filled, Message, NoFill, Viewed, ops


def on_event(event: AdEvent) -> None:
    print(event.name)


async def on_event_async(event: AdEvent) -> None:
    print(event.name)


async def app() -> None:
    async with kx.create_session(
        publisher_token="t",
        user_id="u",
        conversation_id="c",
        enabled_placement_codes=["inlineAd"],
        regulatory={"gdpr": 1},
        context=kx.ClientContext(locale="en-GB", screen=kx.Screen(width=1, height=1)),
        on_event=on_event_async,
    ) as session:
        session.add_message(Message.user("m1", "Hi"), track_only=False)
        session.update_options(variant_id=None, regulatory=kx.Regulatory(coppa=0))
        session.events.subscribe(on_event)
        session.events.subscribe(on_event_async)
        assert_type(session.events.pipe(ops.of_type(Filled)), Observable[Filled])
        assert_type(session.events.pipe(ops.for_message("m2"), ops.revenue(of=Viewed)), Observable[float])
        assert_type(session.events.pipe(ops.fill_rate(), rxops.take(3)), Observable[float])
        async for event in session.events:
            assert_type(event, AdEvent)
        outcome = await session.outcome("m2")
        assert_type(outcome, Filled | NoFill | AdError)
        match outcome:
            case Filled(bid_id=bid_id):
                print(bid_id)
            case NoFill(skip_code=skip_code):
                print(skip_code)
            case AdError(err_code=err_code):
                print(err_code)
        ad = session.create_ad("m2", code="inlineAd", theme="dark")
        assert_type(ad.iframe_url, str | None)
        session.send_user_event("user.typing.started")


def mistakes(session: kx.Session) -> None:
    """What a type checker must find."""
    kx.create_session(publisher_token="t", userid="u")  # pyright: ignore[reportCallIssue]
    session.update_options(varient_id="x")  # pyright: ignore[reportCallIssue]
