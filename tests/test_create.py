"""`create_session`: every option that cannot be used says so at the call, and what to give instead."""

import asyncio
import pickle
import threading
from typing import Any

import pytest
from reactivex.scheduler import VirtualTimeScheduler

import kontext_rx as kx
from kontext_rx import (
    Client,
    InvalidOptionError,
    KontextError,
    Message,
    SessionDestroyedError,
    WrongThreadError,
    create_session,
)
from kontext_rx.adserver import AdServer
from kontext_rx.client import shared_client
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

IDS: dict[str, Any] = {"publisher_token": "canary-token", "user_id": "canary-user", "conversation_id": "thread-5"}


def refusal(server: VirtualAdServer, **options: Any) -> InvalidOptionError:
    """What the call says; nothing was sent."""
    with pytest.raises(InvalidOptionError) as caught:
        virtual_session(server, **{**IDS, **options})
    assert server.requests == []
    assert isinstance(caught.value, KontextError)
    assert isinstance(caught.value, ValueError)
    return caught.value


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"publisher_token": ""}, "publisher_token=''", "enabled=False for a session without ads"),
    ({"publisher_token": None}, "publisher_token=None", "give the token issued by Kontext, or enabled=False"),
    ({"publisher_token": "tok\n"}, "publisher_token='<str>'", "one line"),
    ({"user_id": "  "}, "user_id='  '", "not blank"),
    ({"conversation_id": 7}, "conversation_id='<int>'", "give a text"),
    ({"enabled_placement_codes": "inlineAd"}, "enabled_placement_codes='inlineAd'", "['inlineAd']"),
    ({"enabled_placement_codes": [""]}, "enabled_placement_codes=['']", "['inlineAd']"),
    ({"ad_server_url": "server.local"}, "ad_server_url='server.local'", "absolute http(s) address"),
    ({"ad_server_url": "https://x?a"}, "ad_server_url='https://x?a'", "leave the query"),
    ({"character": {"id": "c"}}, "character='<dict>'", "missing required field `name`"),
    ({"regulatory": {"gdpr": 3}}, "regulatory='<dict>'", "`regulatory.gdpr`"),
    ({"context": {"locale": 3}}, "context.locale=3", "give a text"),
    ({"app": {"bundleId": "x"}}, "app.bundleId='...'", "bundle_id"),
    ({"sdk": {"name": "x"}}, "sdk='<dict>'", "missing required field `platform`"),
    ({"user_email": 3}, "user_email='<int>'", "None to leave it out"),
    ({"variant_id": 3}, "variant_id='<int>'", "None to leave it out"),
    ({"advertising_id": 3}, "advertising_id='<int>'", "None to leave it out"),
    ({"vendor_id": 3}, "vendor_id='<int>'", "None to leave it out"),
    ({"ad_ttl": -1}, "ad_ttl=-1", "seconds, 0 or more"),
    ({"install_id": "1-2-3-4-5"}, "install_id='1-2-3-4-5'", "give a UUID"),
    ({"install_id": None, "install_id_store": {}}, "install_id_store='<dict>'", "load(user_id) and save(user_id, id)"),
    ({"on_event": "print"}, "on_event='<str>'", "give a function"),
    ({"on_debug_event": 3}, "on_debug_event='<int>'", "give a function"),
    ({"consent": kx.Consent(gdpr=1)}, "consent='<Consent>'", "give a function"),
    ({"pacing": "every(5)"}, "pacing='every(5)'", "a rule of kontext_rx.pacing"),
    ({"client": "http"}, "client='<str>'", "give a kontext_rx.Client"),
    ({"scheduler": 3}, "scheduler='<int>'", "a reactivex scheduler"),
    ({"enabled": "yes"}, "enabled='yes'", "True or False"),
    ({"enabled": None}, "enabled=None", "True or False"),
    ({"userId": "u"}, "userId='...'", "there is no such option"),
    ({"loop": None}, "loop='...'", "there is no such option"),
]


@pytest.mark.parametrize(("options", "given", "wanted"), REFUSED)
def test_the_message_names_the_option_what_was_given_and_what_to_do(
    server: VirtualAdServer, options: dict[str, Any], given: str, wanted: str
) -> None:
    """At the call, before anything starts (S-005, S-007)."""
    said = str(refusal(server, **options))
    assert said.startswith(f"{given} cannot be used: ")
    assert wanted in said


@pytest.mark.parametrize("options", [options for options, _, _ in REFUSED])
def test_a_message_shows_nobody_s_identity(server: VirtualAdServer, options: dict[str, Any]) -> None:
    """Neither that of the other options: tokens are named, never shown."""
    error = refusal(server, **options)
    assert "canary" not in str(error)
    assert "canary" not in repr(error)


@pytest.mark.parametrize(
    "options",
    [
        {"publisher_token": b"canary"},
        {"publisher_token": "canary\n"},
        {"user_id": ["canary"]},
        {"user_email": {"canary": 1}},
        {"regulatory": "canary"},
        {"consent": "canary"},
        {"consent": {"gdpr_consent": "canary"}},
        {"consent": kx.Consent(gdpr_consent="canary")},
        {"canary_option": "canary-value"},
    ],
)
def test_what_is_secret_is_not_shown_when_it_is_what_is_wrong(server: VirtualAdServer, options: dict[str, Any]) -> None:
    """The kind of the value is enough to mend the call."""
    error = refusal(server, **options)
    assert "canary" not in str(error).removeprefix("canary_option")


def test_an_option_is_checked_before_the_session_exists(server: VirtualAdServer) -> None:
    """No callback was called, no request made, and the client has no session more."""
    client = Client(transport=server)
    told: list[object] = []
    refusal(server, client=client, on_debug_event=lambda *event: told.append(event), ad_ttl=-1)
    assert told == []
    assert client.stats.sessions == 0


# --- where time comes from --------------------------------------------------------------------------------------------


def test_without_a_running_loop_the_message_names_the_cure() -> None:
    """An `async def`; or, in a test, virtual time."""
    with pytest.raises(InvalidOptionError, match=r"scheduler=None .* in an `async def`; .*virtual_session"):
        create_session(**IDS)


def test_a_scheduler_alone_needs_a_client_that_needs_no_loop() -> None:
    """The sockets of the default client belong to a loop."""
    with pytest.raises(InvalidOptionError, match=r"client=None cannot be used.*virtual_session"):
        create_session(**IDS, scheduler=VirtualClock())


async def test_on_a_running_loop_neither_is_needed() -> None:
    """The loop is the clock, and the sessions on it share a client."""
    async with AdServer() as server:
        async with create_session(**IDS, ad_server_url=server.url) as session:
            assert shared_client(asyncio.get_running_loop()).stats.sessions == 1
            session.add_message(Message.user("u1", "Hi"))
            outcome = await session.outcome("u1")
        init, *_ = server.requests
        assert abs(outcome.at - init.at) < 5


def test_a_session_of_a_scheduler_lives_in_any_thread(server: VirtualAdServer) -> None:
    """As notebooks and simulations run it: no loop, and one thread."""
    came: list[str] = []

    def run() -> None:
        session = virtual_session(server)
        session.events.subscribe(lambda event: came.append(event.name))
        session.add_message(Message.user("u1", "Hi"))
        server.clock.advance_by(1)
        session.destroy()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert came == ["ad.filled"]


# --- a session without ads --------------------------------------------------------------------------------------------

NOBODY: dict[str, Any] = {"publisher_token": None, "user_id": None, "conversation_id": None}


def test_an_inert_session_needs_no_token_no_ids_and_no_loop() -> None:
    """It takes everything, sends nothing, and settles every outcome (`enabled=False`)."""
    session = create_session(**NOBODY, enabled=False)
    settled: list[Any] = []
    session.add_message(Message.user("u1", "Hi"))
    session.outcome("u1").subscribe(settled.append)
    session.add_message(Message.assistant("a1", "Hello"))
    session.outcome("a1").subscribe(settled.append)
    session.update_options(variant_id="blue")
    assert session.create_ad("a1").iframe_url is None
    assert [outcome.skip_code for outcome in settled] == ["session_disabled", "session_disabled"]
    assert session.is_disabled
    assert len(session.messages) == 2
    session.destroy()
    assert session.is_destroyed


async def test_an_inert_session_on_a_loop_opens_nothing() -> None:
    """No request, no client, no install id."""
    from kontext_rx.client import _shared

    told: list[object] = []

    class Store:
        def load(self, user_id: str) -> None:
            told.append(user_id)

        def save(self, user_id: str, install_id: str) -> None:
            told.append(install_id)

    async with create_session(**NOBODY, enabled=False, on_event=told.append, install_id_store=Store()) as session:
        session.add_message(Message.user("u1", "Hi"))
        assert (await session.outcome("u1")).name == "ad.no-fill"
        assert asyncio.get_running_loop() not in _shared
        assert len(asyncio.all_tasks()) == 1
    assert told == []


def test_an_inert_session_still_refuses_what_cannot_be_used() -> None:
    """A mistake shows in development, where sessions are inert."""
    for wrong in ({"ad_server_url": "x"}, {"publisher_token": 7}, {"character": {}}, {"unknown": 1}):
        with pytest.raises(InvalidOptionError):
            create_session(**{**NOBODY, **wrong}, enabled=False)


# --- what is made up --------------------------------------------------------------------------------------------------


def test_we_name_ourselves_honestly_unless_told_otherwise(server: VirtualAdServer) -> None:
    """`sdk-python` on `web` with the package's version; an option replaces it (W-014, W-015, #32)."""
    import importlib.metadata

    virtual_session(server)
    virtual_session(server, sdk={"name": "sdk-js", "platform": "web", "version": "4.0.0"})
    assert [request.body["sdk"] for request in server.requests] == [
        {"name": "sdk-python", "platform": "web", "version": importlib.metadata.version("kontext-rx")},
        {"name": "sdk-js", "platform": "web", "version": "4.0.0"},
    ]


def test_the_app_is_the_main_module_unless_told_otherwise(
    server: VirtualAdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name and the version of its distribution; `0.0.0` when it has none (W-028, #74)."""
    import sys
    from types import SimpleNamespace

    from kontext_rx.create import _default_app

    names = [("pytest.__main__", "pytest"), ("acme_chat.server", "acme_chat"), (None, "__main__")]
    for spec, name in names:
        main = SimpleNamespace(__spec__=None if spec is None else SimpleNamespace(name=spec))
        monkeypatch.setitem(sys.modules, "__main__", main)
        _default_app.cache_clear()
        assert _default_app().bundle_id == name
        assert _default_app().version == (pytest.__version__ if name == "pytest" else "0.0.0")
    _default_app.cache_clear()
    monkeypatch.undo()
    virtual_session(server, app={"bundle_id": "com.acme"})
    assert server.requests[0].body["app"] == {"bundleId": "com.acme", "version": "0.0.0"}


@pytest.mark.parametrize(("given", "sent"), [({}, None), ({"start_time": 5}, 5)])
def test_an_app_started_when_the_package_was_imported(
    server: VirtualAdServer, given: dict[str, Any], sent: int | None
) -> None:
    """Epoch milliseconds, never in the future, unless the app knows better (W-028)."""
    import time

    session = virtual_session(server, app={"bundle_id": "x", **given})
    session.add_message(Message.user("u1", "Hi"))
    server.clock.advance_by(1)
    started = server.preloads[0].body["app"]["startTime"]
    assert started == sent if sent else time.time() * 1000 - 86_400_000 < started <= time.time() * 1000


def test_a_session_says_what_state_it_is_in_and_not_whose_it_is(server: VirtualAdServer) -> None:
    """In a log or a debugger."""
    session = virtual_session(server, **IDS)
    assert repr(session) == "<Session 'thread-5' open>"
    session.destroy()
    assert repr(session) == "<Session 'thread-5' destroyed>"


def test_each_session_is_counted_by_its_client_until_it_ends(server: VirtualAdServer) -> None:
    """Which is how a shared pool knows when nobody needs it."""
    client = Client(transport=server)
    clock = server.clock
    assert isinstance(clock, VirtualTimeScheduler)
    sessions = [create_session(**IDS, client=client, scheduler=clock) for _ in range(2)]
    assert client.stats.sessions == 2
    for left, session in zip((1, 0), sessions, strict=True):
        session.destroy()
        session.destroy()
        assert client.stats.sessions == left


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SessionDestroyedError("add_message"), "add_message: this session was destroyed; create a new one"),
        (WrongThreadError("create_ad"), "create_ad belongs on the session's event loop: use loop.call_soon_threadsafe"),
    ],
)
def test_a_call_at_the_wrong_time_or_place_is_named_with_what_to_do(error: Any, said: str) -> None:
    """And the error survives a trip to another process (#18, #55)."""
    assert str(error).startswith(said)
    assert isinstance(error, KontextError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.call) == (type(error), str(error), error.call)
