"""Whose device: what a request, a user agent and an app say of it, and what is never invented."""

import math
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kontext_rx import ClientContext, InvalidOptionError, Screen
from kontext_rx.context import read_user_agent
from kontext_rx.testing import VirtualAdServer, virtual_session

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1 Version/17.5 Mobile Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        (CHROME, ("linux", None, "desktop")),
        (IPHONE, ("ios", "17.5.1", "handset")),
        ("Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", ("ios", "16.6", "tablet")),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126.0 Mobile Safari/537.36", ("android", "14", "handset")),
        ("Mozilla/5.0 (Linux; Android 13; SM-X700) Chrome/126.0 Safari/537.36", ("android", "13", "tablet")),
        ("Mozilla/5.0 (Linux; Android 12; BRAVIA 4K) Chrome/90 Safari/537.36", ("android", "12", "tv")),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) Chrome/94 TV Safari/537.36", ("linux", None, "tv")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/127.0", ("windows", "10.0", "desktop")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15", ("macos", "10.15.7", "desktop")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Firefox/127.0", ("macos", "10.15", "desktop")),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/126.0 Safari/537.36", ("chromeos", "14541.0.0", "desktop")),
        ("curl/8.5.0", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_a_user_agent_tells_the_system_and_the_kind_of_hardware(user_agent: str, told: tuple[Any, ...]) -> None:
    """As far as it does; the names are lower-case (W-016, W-021, W-024)."""
    assert read_user_agent(user_agent) == told


@given(st.text())
def test_a_user_agent_is_whatever_a_client_sends(user_agent: str) -> None:
    """Reading one never fails."""
    name, version, hardware = read_user_agent(user_agent)
    assert hardware in (None, "handset", "tablet", "desktop", "tv")
    assert name is not None or (version is None and hardware in (None, "tablet", "tv"))


BROWSER = {
    "User-Agent": CHROME,
    "Accept-Language": "en-GB,en;q=0.9,cs;q=0.8",
    "Sec-CH-UA-Platform": '"Windows"',
    "Sec-CH-UA-Platform-Version": '"15.0.0"',
    "Sec-CH-UA-Model": '""',
    "Sec-CH-UA-Mobile": "?0",
}


class Headers:
    """Headers as Flask has them: not registered as a mapping, but with `items`."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def items(self) -> Iterator[tuple[str, str]]:
        return iter(self._headers.items())


class Request:
    """A web framework's request."""

    def __init__(self, headers: object) -> None:
        self.headers = headers


@pytest.mark.parametrize(
    "request_",
    [
        BROWSER,
        Request(BROWSER),
        Request(Headers(BROWSER)),
        Request({name.lower(): text for name, text in BROWSER.items()}),
        Request({name.upper(): text for name, text in BROWSER.items()}),
    ],
)
def test_a_browser_s_request_tells_whose_device_it_is(request_: object) -> None:
    """User agent, first language and client hints, whatever the framework and the case of the names."""
    assert ClientContext.from_request(request_) == ClientContext(
        user_agent=CHROME, locale="en-GB", os_name="windows", os_version="15.0.0"
    )


def test_a_phone_s_hints_tell_its_model() -> None:
    """`?1` is a phone (W-016)."""
    hints = {"Sec-CH-UA-Platform": '"Android"', "Sec-CH-UA-Mobile": "?1", "Sec-CH-UA-Model": '"Pixel 8"'}
    assert ClientContext.from_request(hints) == ClientContext(
        os_name="android", hardware_type="handset", model="Pixel 8"
    )


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("cs", "cs"),
        ("pt_BR", "pt-BR"),
        (" zh-Hant-TW ;q=0.9", "zh-Hant-TW"),
        ("*", None),
        ("", None),
        ("x", None),
        ("../../etc/passwd", None),
    ],
)
def test_the_first_language_is_the_locale(accepted: str, locale: str | None) -> None:
    """With a hyphen, and none where there is no language in it (W-024)."""
    assert ClientContext.from_request({"Accept-Language": accepted}).locale == locale


def test_what_the_app_knows_better_wins_over_the_headers() -> None:
    """The zone and the screen are in no header."""
    known = ClientContext.from_request(BROWSER, timezone="Europe/Prague", locale="cs", screen=Screen(width=9, height=9))
    assert (known.timezone, known.locale, known.screen) == ("Europe/Prague", "cs", Screen(width=9, height=9))
    assert known.user_agent == CHROME


def test_a_header_that_is_no_utf_8_costs_nothing(server: VirtualAdServer) -> None:
    """aiohttp hands on what a client sent as halves of surrogate pairs; the app's handler goes on."""
    context = ClientContext.from_request({"User-Agent": "Bot \udcff", "Sec-CH-UA-Model": "\udcff"})
    assert (context.user_agent, context.model) == ("Bot ?", "?")
    virtual_session(server, context=context)


def test_a_request_that_says_nothing_gives_nothing() -> None:
    """Nothing is invented (C-002)."""
    assert ClientContext.from_request({}) == ClientContext()


@pytest.mark.parametrize("request_", [None, "GET /", 5, Request(None), [("User-Agent", CHROME)]])
def test_a_request_without_headers_says_what_to_give(request_: object) -> None:
    """At the call."""
    with pytest.raises(InvalidOptionError, match="a request with a `headers` mapping"):
        ClientContext.from_request(request_)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"width": -1}, "screen.width"),
        ({"width": math.inf}, "screen.width"),
        ({"width": True}, "screen.width"),
        ({"height": "9"}, "screen.height"),
        ({"dpr": 0}, "screen.dpr"),
        ({"dpr": -1.0}, "screen.dpr"),
        ({"dpr": math.nan}, "screen.dpr"),
        ({"dpr": math.inf}, "screen.dpr"),
        ({"dpr": "2"}, "screen.dpr"),
        ({"dark_mode": 1}, "screen.dark_mode"),
        ({"orientation": "sideways"}, "screen.orientation"),
        ({"brightness": 101}, "screen.brightness"),
        ({"brightness": -0.1}, "screen.brightness"),
        ({"brightness": math.nan}, "screen.brightness"),
        ({"brightness": "50"}, "screen.brightness"),
    ],
)
def test_a_screen_has_sane_measures(given: dict[str, Any], field: str) -> None:
    """Physical pixels, more than none of them a CSS pixel, brightness 0 to 100 (C-001, W-017, W-023)."""
    with pytest.raises(InvalidOptionError) as caught:
        Screen(**given)
    assert caught.value.field == field


@pytest.mark.parametrize("edge", [{"width": 0, "height": 0}, {"dpr": 0.5}, {"brightness": 0}, {"brightness": 100.0}])
def test_the_edges_of_a_screen_belong_to_it(edge: dict[str, Any]) -> None:
    """Zero is what a headless process has (C-001, #73)."""
    assert {name: getattr(Screen(**edge), name) for name in edge} == edge


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"locale": 5}, "context.locale"),
        ({"user_agent": b"Mozilla"}, "context.user_agent"),
        ({"timezone": 1}, "context.timezone"),
        ({"screen": {"width": 5}}, "context.screen"),
        ({"hardware_type": "phone"}, "context.hardware_type"),
        ({"hardware_type": "Desktop"}, "context.hardware_type"),
        ({"network_type": "5g"}, "context.network_type"),
    ],
)
def test_a_context_takes_texts_of_the_wire_s_kinds(given: dict[str, Any], field: str) -> None:
    """The closed sets are those of the server, in its own spelling (W-016, W-020, W-022)."""
    with pytest.raises(InvalidOptionError) as caught:
        ClientContext(**given)
    assert caught.value.field == field
