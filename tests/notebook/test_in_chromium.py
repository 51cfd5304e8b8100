"""An ad in the output of a cell, in a real browser, from the embedded ad server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hosts.stage import names, told, until

import kontext_rx as kx
from kontext_rx.adserver import AdServer, Settings
from kontext_rx.notebook import AdCell

from .kernel import Notebook

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[AdServer]:
    async with AdServer(Settings(kinds=("image",))) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def session(server: AdServer) -> AsyncIterator[kx.Session]:
    async with made_session(server) as made:
        yield made


def made_session(server: AdServer) -> kx.Session:
    return kx.create_session(
        publisher_token="test-token", user_id="user-1", conversation_id="conversation-1", ad_server_url=server.url
    )


def turn(session: kx.Session, reply: str) -> None:
    session.add_message(kx.Message.user(f"{reply}-asked", "Any tent for two?"))
    session.add_message(kx.Message.assistant(reply, "For summer or winter?"))


async def visible(page: Page, output: int) -> Frame:
    """The frame of the ad in an output, as soon as it is to be seen."""
    element = await page.locator(f".output >> nth={output} >> iframe").element_handle(timeout=15_000)
    assert element is not None
    await element.wait_for_element_state("visible")
    frame = await element.content_frame()
    assert frame is not None
    return frame


async def note(page: Page, output: int) -> str:
    return await page.locator(".kontext-cell__note").nth(output).inner_text()


async def told_in(page: Page, output: int) -> list[str]:
    """The names in an output's list of events."""
    return await page.locator(".kontext-cell__list").nth(output).locator(".kontext-cell__name").all_inner_texts()


async def frames(page: Page) -> int:
    return await page.locator("iframe").count()


async def test_the_ad_is_rendered_at_its_height_and_viewed(notebook: Notebook, session: kx.Session) -> None:
    events = told(session)
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page()
    await notebook.display(page, cell)
    frame = await visible(page, 0)
    await until(lambda: "ad.viewed" in names(events))
    box = await (await frame.frame_element()).bounding_box()
    assert box is not None
    assert box["height"] == [event.height for event in events if isinstance(event, kx.AdHeight)][-1]
    await until(lambda: told_now(page, events))
    assert cell._down["commands"] == []


async def told_now(page: Page, events: list[kx.AdEvent]) -> bool:
    """Whether what stands beside the ad is what the session has told."""
    return await told_in(page, 0) == names(events)


async def test_a_cell_that_is_displayed_late_shows_the_latest_events(notebook: Notebook, session: kx.Session) -> None:
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page()
    output = await notebook.display(page, cell)
    frame = await visible(page, 0)
    await frame.evaluate(
        """for (let height = 301; height <= 330; height++)
             parent.postMessage({ type: "resize-iframe", data: { code: "inlineAd", height } }, "*")"""
    )
    await until(lambda: len(cell._rows) > 30 and "ad.viewed" in [row["name"] for row in cell._rows])
    await page.evaluate("output => clear(output)", output)
    await notebook.display(page, cell)
    await until(lambda: is_in_list(page, ""))


async def test_a_click_opens_the_link_once_and_is_told(notebook: Notebook, session: kx.Session) -> None:
    events = told(session)
    turn(session, "m2")
    page = await notebook.page()
    await notebook.display(page, AdCell(session, "m2"))
    frame = await visible(page, 0)
    await until(lambda: "ad.render-completed" in names(events))
    box = await (await frame.frame_element()).bounding_box()
    assert box is not None
    async with page.context.expect_page() as opening:
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "/click/" in (await opening.value).url
    await until(lambda: "ad.clicked" in names(events))
    await until(lambda: told_now(page, events))
    assert names(events).count("ad.clicked") == 1


async def test_what_is_posted_to_the_frame_arrives_once_and_in_order(notebook: Notebook, session: kx.Session) -> None:
    """Each new value for the views repeats the commands that are not known to be performed."""
    turn(session, "m2")
    page = await notebook.page()
    await notebook.display(page, AdCell(session, "m2"))
    frame = await visible(page, 0)
    await frame.evaluate(
        """window.got = []; addEventListener("message", ({ data }) =>
             data.type === "user-event-iframe" && got.push(data.data.payload.step))"""
    )
    for step in (1, 2, 3):
        session.send_user_event("user.typing.started", {"step": step})
    await until(lambda: frame.evaluate("got.includes(3)"))
    session.send_user_event("user.typing.started", {"step": 4})
    await until(lambda: frame.evaluate("got.includes(4)"))
    assert await frame.evaluate("got") == [1, 2, 3, 4]


async def test_the_ad_is_mounted_when_the_cell_is_shown_and_not_before(notebook: Notebook, session: kx.Session) -> None:
    turn(session, "m2")
    cell = AdCell(session, "m2")
    await session.outcome("m2")
    assert cell.ad is not None
    state = await anext(aiter(cell.ad.state))
    assert not state.is_mounted
    page = await notebook.page()
    await notebook.display(page, cell)
    await visible(page, 0)


async def test_the_reply_may_come_after_the_cell(notebook: Notebook, session: kx.Session) -> None:
    page = await notebook.page()
    await notebook.display(page, AdCell(session, "m2"))
    assert await note(page, 0) == "Waiting for the ad of m2."
    turn(session, "m2")
    await visible(page, 0)
    assert not await page.locator(".kontext-cell__note").is_visible()


async def test_where_there_is_no_ad_it_says_why(notebook: Notebook) -> None:
    async with AdServer(Settings(fill_rate=0.0)) as server, made_session(server) as session:
        page = await notebook.page()
        await notebook.display(page, AdCell(session, "m2"))
        turn(session, "m2")
        await until(lambda: is_noted(page, "No ad for m2: unfilled_bid."))
        assert await frames(page) == 0


async def is_noted(page: Page, text: str, output: int = 0) -> bool:
    return await note(page, output) == text


async def test_destroying_the_session_takes_the_ad_away_and_leaves_the_events(
    notebook: Notebook, session: kx.Session
) -> None:
    turn(session, "m2")
    page = await notebook.page()
    await notebook.display(page, AdCell(session, "m2"))
    await visible(page, 0)
    session.destroy()
    await until(lambda: is_noted(page, "The ad is over."))
    assert await frames(page) == 0
    assert (await told_in(page, 0))[0] == "ad.filled"


async def test_two_cells_have_an_ad_each(notebook: Notebook, session: kx.Session) -> None:
    page = await notebook.page(viewport={"width": 1000, "height": 1800})
    for reply in ("m2", "m4"):
        turn(session, reply)
        await session.outcome(reply)
        await notebook.display(page, AdCell(session, reply))
    first, second = await visible(page, 0), await visible(page, 1)
    assert "messageId=m2&" in first.url
    assert "messageId=m4&" in second.url
    await until(lambda: both_viewed(page))


async def both_viewed(page: Page) -> bool:
    return all([(await told_in(page, output)).count("ad.viewed") == 1 for output in (0, 1)])


async def test_displayed_again_the_newest_place_shows_it_and_the_older_one_can_take_it_back(
    notebook: Notebook, session: kx.Session
) -> None:
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page(viewport={"width": 1000, "height": 1800})
    await notebook.display(page, cell)
    await visible(page, 0)
    await notebook.display(page, cell)
    await visible(page, 1)
    assert await frames(page) == 1
    assert "This ad is shown in another place." in await note(page, 0)
    await page.get_by_role("button", name="Show it here").click()
    await visible(page, 0)
    await page.locator(".output >> nth=1").get_by_text("This ad is shown in another place.").wait_for()
    assert not await page.locator(".kontext-cell__note").first.is_visible()
    assert await frames(page) == 1


async def test_displayed_three_times_at_once_exactly_one_place_shows_it(
    notebook: Notebook, session: kx.Session
) -> None:
    """The kernel is busy: what the second place writes is overwritten by the third before it is sent."""
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page(viewport={"width": 1000, "height": 1800})
    await session.outcome("m2")
    notebook.is_busy = True
    for _ in range(3):
        await notebook.display(page, cell)
    notebook.work()
    await until(lambda: is_settled(page))
    assert len(cell._down["known"]) == 3


async def is_settled(page: Page) -> bool:
    others = await page.get_by_role("button", name="Show it here").count()
    return (await frames(page), others) == (1, 2)


async def test_a_second_tab_takes_the_ad_over(notebook: Notebook, session: kx.Session) -> None:
    turn(session, "m2")
    cell, first, second = AdCell(session, "m2"), await notebook.page(), await notebook.page()
    await notebook.display(first, cell)
    await visible(first, 0)
    await notebook.display(second, cell)
    await visible(second, 0)
    await until(lambda: has_frames(first, 0))


async def has_frames(page: Page, number: int) -> bool:
    return await frames(page) == number


async def test_run_again_the_newer_cell_takes_the_ad_over(notebook: Notebook, session: kx.Session) -> None:
    turn(session, "m2")
    page = await notebook.page(viewport={"width": 1000, "height": 1800})
    await notebook.display(page, AdCell(session, "m2"))
    await visible(page, 0)
    await notebook.display(page, AdCell(session, "m2"))
    await visible(page, 1)
    assert await frames(page) == 1
    assert await note(page, 0) == "A newer cell shows this ad."


async def test_after_a_reload_the_page_shows_the_ad_as_it_is(notebook: Notebook, session: kx.Session) -> None:
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page()
    await notebook.display(page, cell)
    await visible(page, 0)
    before = len(cell._rows)
    await notebook.open(page)
    await notebook.display(page, cell)
    await visible(page, 0)
    assert len(await told_in(page, 0)) >= before


async def test_when_the_output_is_cleared_the_frames_go_and_the_ad_stays(
    notebook: Notebook, session: kx.Session
) -> None:
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page()
    output = await notebook.display(page, cell)
    await visible(page, 0)
    await page.evaluate("output => clear(output)", output)
    await until(lambda: cell._views.shown is None)
    assert cell.ad is not None
    assert await frames(page) == 0
    await notebook.display(page, cell)
    await visible(page, 0)


async def test_a_busy_kernel_is_told_later_of_everything_in_order(notebook: Notebook, session: kx.Session) -> None:
    """What the frame says meanwhile, more than is written at once, is not lost; the page says why nothing happens."""
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page()
    await session.outcome("m2")
    await notebook.display(page, cell)
    frame = await visible(page, 0)
    await until(lambda: "ad.viewed" in [row["name"] for row in cell._rows])
    heights: list[float] = []
    cell.ad.events.subscribe(lambda event: heights.append(event.height) if isinstance(event, kx.AdHeight) else None)
    notebook.is_busy = True
    await frame.evaluate(
        """for (let height = 301; height <= 380; height++)
             parent.postMessage({ type: "resize-iframe", data: { code: "inlineAd", height } }, "*")"""
    )
    await page.locator(".kontext-cell__quiet").wait_for(timeout=10_000)
    notebook.work()
    await until(lambda: 380.0 in heights)
    assert [height for height in heights if height <= 380] == [float(height) for height in range(301, 381)]
    await until(lambda: is_quiet(page))


async def is_quiet(page: Page) -> bool:
    return not await page.locator(".kontext-cell__quiet").is_visible()


async def test_an_open_modal_does_not_outlive_its_output(notebook: Notebook) -> None:
    async with AdServer(Settings(kinds=("interstitial",))) as server, made_session(server) as session:
        turn(session, "m2")
        cell, page = AdCell(session, "m2"), await notebook.page()
        output = await notebook.display(page, cell)
        frame = await visible(page, 0)
        await frame.click("[data-testid=open-modal]")
        await page.locator("dialog[open]").wait_for()
        await page.evaluate("output => clear(output)", output)
        assert await page.locator("dialog").count() == 0
        await until(lambda: not state_of(cell).is_modal_open)


def state_of(cell: AdCell) -> Any:
    return cell._state


async def test_the_latest_events_are_in_sight_until_the_reader_looks_back(
    notebook: Notebook, session: kx.Session
) -> None:
    turn(session, "m2")
    page = await notebook.page()
    await notebook.display(page, AdCell(session, "m2"))
    frame = await visible(page, 0)
    await page.locator(".kontext-cell__list").get_by_text("ad.viewed").wait_for()  # after that it is silent
    resize = """async ([from, to]) => { for (let height = from; height <= to; height++)
        parent.postMessage({ type: "resize-iframe", data: { code: "inlineAd", height } }, "*") }"""
    await frame.evaluate(resize, [301, 330])
    last = page.locator(".kontext-cell__list li").last
    await until(lambda: is_in_list(page, "height 330"))
    await page.locator(".kontext-cell__list").evaluate("list => void (list.scrollTop = 0)")
    await frame.evaluate(resize, [331, 340])
    await last.get_by_text("height 340").wait_for(state="attached")
    assert not await is_in_list(page, "height 340")


async def is_in_list(page: Page, text: str) -> bool:
    """Whether the last event is this one, and to be seen without scrolling."""
    return await page.locator(".kontext-cell__list").evaluate(
        """(list, text) => list.lastChild?.textContent.includes(text)
             && list.lastChild.getBoundingClientRect().bottom <= list.getBoundingClientRect().bottom + 1""",
        text,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_narrow_cell(notebook: Notebook, session: kx.Session, scheme: Any) -> None:
    """The events go under the ad, and nothing sticks out."""
    turn(session, "m2")
    page = await notebook.page(viewport={"width": 360, "height": 900}, color_scheme=scheme)
    await notebook.display(page, AdCell(session, "m2"))
    await visible(page, 0)
    ad, events = page.locator(".kontext-cell__ad"), page.locator(".kontext-cell__events")
    await events.wait_for()
    upper, lower = await ad.bounding_box(), await events.bounding_box()
    assert upper is not None
    assert lower is not None
    assert lower["y"] >= upper["y"] + upper["height"]
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_what_an_ad_says_is_text(notebook: Notebook, session: kx.Session) -> None:
    """A payload with markup in it is read, not run."""
    turn(session, "m2")
    cell, page = AdCell(session, "m2"), await notebook.page()
    await notebook.display(page, cell)
    frame = await visible(page, 0)
    await frame.evaluate(
        """parent.postMessage({ type: "event-iframe", data: { code: "inlineAd", name: "ad.clicked", payload: {
             id: "b", content: "<img src=x onerror=boom()>", url: "/", format: "image", area: "<b>" } } }, "*")"""
    )
    await page.locator(".kontext-cell__list").get_by_text("<img src=x onerror=boom()>").wait_for(timeout=8_000)
    assert "<img" not in cell._repr_html_()
    assert "&lt;img" in cell._repr_html_()
    assert await page.locator(".kontext-cell img").count() == 0
