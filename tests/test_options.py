"""What the app chooses: what it is taken as, and what it is refused for."""

import math
import types
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import hypothesis.strategies as st
import msgspec
import pytest
from bodies import preload_body
from hypothesis import given, settings
from watched import Watched

from kontext_rx import App, Character, ClientContext, Consent, InvalidOptionError, KontextError, Regulatory, Screen, Sdk
from kontext_rx import options as opts
from kontext_rx.options import (
    IMMUTABLE,
    MUTABLE,
    Options,
    checked,
    known_user_event,
    mutable,
    placement_code,
    server_url,
)
from kontext_rx.testing import VirtualAdServer
from kontext_rx.wire import process_device

SDK = Sdk(name="sdk-python", platform="web", version="0.1.0")
CHARACTER = {"id": "c-9", "name": "Ranger", "avatar_url": "https://acme.example/r.png?v=3"}


def options(**given: Any) -> Options:
    required: dict[str, Any] = {
        "enabled": True,
        "app": None,
        "sdk": None,
        "default_sdk": SDK,
        "default_app": App(bundle_id="com.acme.chat", version="2.4.1"),
        "publisher_token": "acme-dev",
        "user_id": "user-77",
        "conversation_id": "thread-5",
        "enabled_placement_codes": None,
        "ad_server_url": "https://server.megabrain.co",
        "character": None,
        "ad_ttl": 3600.0,
        **dict.fromkeys(MUTABLE),
    }
    return checked(**{**required, **given})


def refusal(**given: Any) -> InvalidOptionError:
    with pytest.raises(InvalidOptionError) as caught:
        options(**given)
    assert isinstance(caught.value, KontextError)
    assert isinstance(caught.value, ValueError)
    return caught.value


# --- placements -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ("inlineAd",)),
        ([], ("inlineAd",)),
        ((), ("inlineAd",)),
        (["banner", "inlineAd"], ("banner", "inlineAd")),
        (["b", "a", "b"], ("b", "a")),
        (iter(["a", "b"]), ("a", "b")),
        ({"a": 1}.keys(), ("a",)),
    ],
)
def test_placement_codes_are_kept_in_order_without_doubles(given: Any, kept: tuple[str, ...]) -> None:
    """Without any, and with an empty list, it is `inlineAd` (S-001, S-002, S-003, #50, #52)."""
    assert options(enabled_placement_codes=given).enabled_placement_codes == kept


@pytest.mark.parametrize("given", ["inlineAd", b"inlineAd", 5, ["inlineAd", ""], [" "], [None], [1], ["\ud800"]])
def test_placement_codes_are_a_list_of_texts(given: Any) -> None:
    """A single text would be read letter by letter."""
    assert refusal(enabled_placement_codes=given).option == "enabled_placement_codes"


@pytest.mark.parametrize("given", ["", "  ", None, 5, "\ud800"])
def test_a_placement_code_is_a_text_that_is_not_blank(given: Any) -> None:
    """It is part of an address."""
    with pytest.raises(InvalidOptionError, match="code="):
        placement_code(given)
    assert placement_code("sidebar") == "sidebar"


# --- the server's address ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (opts.DEFAULT_SERVER, "https://server.megabrain.co"),
        ("https://x/", "https://x"),
        ("https://x//", "https://x"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80/ads/", "http://[::1]:80/ads"),
        (" https://x\n", "https://x"),
        ("https://bücher.example", "https://bücher.example"),
    ],
)
def test_the_address_loses_its_trailing_slashes(given: str, kept: str) -> None:
    """Once, at creation, so that no request is joined with two (S-004, #66)."""
    assert options(ad_server_url=given).ad_server_url == kept


@pytest.mark.parametrize(
    "given",
    [
        "", "server.local", "/preload", "ftp://x", "https://", "https:///x", "https://:80", "http://x:0", "http://x:99999",
        "http://x:port", "http://[::1", "http://a..b", "http://.x", f"http://{'x' * 64}.y",
        "https://a b", "https://a\\b", "https://a\tb", "https://x\x00y", "https://\ud800",
        "https://x?", "https://x?a=1", "https://x#", "https://x/#top", None, 5, b"https://x",
    ],
)  # fmt: skip
def test_the_address_is_absolute_and_the_web_s(given: Any) -> None:
    """Nothing else can be asked for an ad, nor can a path be appended to a query (#66, #77)."""
    assert refusal(ad_server_url=given).option == "ad_server_url"


def test_the_sessions_of_an_app_share_what_is_equal() -> None:
    """Ten thousand of them keep one app, one SDK, one address and one list of placements; who they are is their own."""
    given: dict[str, Any] = {
        "ad_server_url": "HTTPS://X/",
        "enabled_placement_codes": ["banner", "banner"],
        "app": {"bundle_id": "com.acme.chat", "start_time": 5},
        "sdk": {"name": "n", "platform": "web", "version": "1"},
    }
    one, other = options(**given), options(**given)
    for name in given:
        assert getattr(one, name) is getattr(other, name)


def test_an_equal_value_of_another_kind_is_not_taken_for_one_that_was_checked() -> None:
    """True is 1 to Python, and no time."""
    assert options(app=App(start_time=1)).app.start_time == 1
    assert refusal(app=App(start_time=True)).option == "app"


class Odd(str):
    """A text that cannot be hashed."""

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __eq__(self, other: object) -> bool:
        return False


def test_a_text_of_a_class_of_the_app_s_own_is_taken_as_its_text() -> None:
    """Whatever the class makes of it."""
    taken = options(ad_server_url=Odd("https://x"), enabled_placement_codes=[Odd("a"), Odd("a")], user_id=Odd("u"))
    assert (taken.ad_server_url, taken.enabled_placement_codes, taken.user_id) == ("https://x", ("a",), "u")
    assert {type(taken.ad_server_url), type(taken.enabled_placement_codes[0]), type(taken.user_id)} == {str}


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=12), st.from_regex(r"(http|https|HTTP)://[^/]{0,8}[/?#:@]?.{0,6}", fullmatch=True)))
def test_an_address_that_is_taken_leads_to_a_host_and_an_endpoint(given: str) -> None:
    """Whatever is taken, joined with an endpoint, is an address of that endpoint."""
    try:
        address = server_url(given)
    except InvalidOptionError:
        return
    url = urlsplit(f"{address}/preload")
    assert url.scheme in ("http", "https")
    assert url.hostname
    assert url.path.endswith("/preload")
    assert (url.query, url.fragment) == ("", "")
    assert address.isprintable()
    assert not address.endswith("/")


# --- who and whose ----------------------------------------------------------------------------------------------------

IDENTITY = ("publisher_token", "user_id", "conversation_id")


@pytest.mark.parametrize("name", IDENTITY)
@pytest.mark.parametrize("given", [None, "", " \t", 7, b"x", ["x"], "a\ud800"])
def test_token_user_and_conversation_are_texts_that_are_not_blank(name: str, given: Any) -> None:
    """Required, and refused before anything is sent (S-005)."""
    assert refusal(**{name: given}).option == name


@pytest.mark.parametrize("given", ["tok\n", "tok\r\nHost: evil", "to\x00k", "\x7ftok"])
def test_a_token_is_one_line_because_it_is_a_header(given: str) -> None:
    """A line break read along with it from a file would cost every request of the session."""
    error = refusal(publisher_token=given)
    assert error.option == "publisher_token"
    assert "one line" in str(error)
    assert "tok" not in str(error).removeprefix("publisher_token")


@pytest.mark.parametrize("name", IDENTITY)
def test_an_inert_session_needs_none_of_them(name: str) -> None:
    """None stands for what a developer does not have; what is no text is still refused."""
    assert getattr(options(enabled=False, **{name: None}), name) == ""
    with pytest.raises(InvalidOptionError):
        options(enabled=False, **{name: 7})


def test_everything_else_may_be_left_out() -> None:
    """The defaults are nothing, but for the placement, the server and the hour (S-006)."""
    made = options()
    assert all(getattr(made, name) is None for name in (*MUTABLE, "character"))
    assert (made.ad_ttl, made.sdk, made.app.bundle_id) == (3600.0, SDK, "com.acme.chat")


# --- structs and dicts with their keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("character", CHARACTER, Character(**CHARACTER)),
        (
            "character",
            {**CHARACTER, "greeting": "Hi", "persona": "wild", "tags": ["a", "b"], "is_nsfw": False},
            Character(**CHARACTER, greeting="Hi", persona="wild", tags=("a", "b"), is_nsfw=False),
        ),
        ("character", Character(**CHARACTER, tags=["a"]), Character(**CHARACTER, tags=("a",))),  # type: ignore[arg-type]
        ("regulatory", {"gdpr": 0, "gpp_sid": [7, 8]}, Regulatory(gdpr=0, gpp_sid=(7, 8))),
        ("regulatory", Regulatory(us_privacy="1YNN"), Regulatory(us_privacy="1YNN")),
        ("regulatory", types.MappingProxyType({"coppa": 1}), Regulatory(coppa=1)),
        ("app", {"bundle_id": "com.acme"}, App(bundle_id="com.acme", version="0.0.0")),
        ("sdk", {"name": "sdk-x", "platform": "ios", "version": "1"}, Sdk(name="sdk-x", platform="ios", version="1")),
        ("context", {"locale": "en-GB"}, ClientContext(locale="en-GB")),
        ("context", {"screen": {"width": 9, "dpr": 2}}, ClientContext(screen=Screen(width=9, dpr=2))),
        ("context", ClientContext(locale="en-GB"), ClientContext(locale="en-GB")),
    ],
)
def test_a_struct_may_be_given_as_a_dict_with_its_keys(name: str, given: Any, taken: msgspec.Struct) -> None:
    """What is optional may be left out (S-007, W-028)."""
    assert getattr(options(**{name: given}), name) == taken


@pytest.mark.parametrize(
    ("given", "named", "hint"),
    [
        ({"character": {"id": "c"}}, "character", "missing required field `name`"),
        ({"character": {**CHARACTER, "avatarUrl": "x"}}, "character.avatarUrl", "avatar_url"),
        ({"character": {**CHARACTER, "title": "x"}}, "character.title", "no such key"),
        ({"character": {**CHARACTER, "name": 5}}, "character", "`character.name`"),
        ({"character": {**CHARACTER, "tags": "abc"}}, "character", "`character.tags`"),
        ({"character": {**CHARACTER, "persona": "\ud800"}}, "character.persona", "surrogates"),
        ({"character": {**CHARACTER, "tags": ["ok", "\ud800"]}}, "character.tags", "surrogates"),
        ({"character": Character(id="c", name="n", avatar_url=None)}, "character", "`character.avatar_url`"),  # type: ignore[arg-type]
        ({"character": "Ranger"}, "character", "give a Character"),
        ({"regulatory": {"gdpr": 2}}, "regulatory", "`regulatory.gdpr`"),
        ({"regulatory": {"gdpr": True}}, "regulatory", "`regulatory.gdpr`"),
        ({"regulatory": {"gpp_sid": 7}}, "regulatory", "`regulatory.gpp_sid`"),
        ({"regulatory": {7: 7}}, "regulatory.7", "no such key"),
        ({"regulatory": [("gdpr", 1)]}, "regulatory", "give a Regulatory"),
        ({"app": {"version": 2}}, "app", "`app.version`"),
        ({"app": {"bundle_id": "\ud800"}}, "app.bundle_id", "surrogates"),
        ({"app": "com.acme"}, "app", "give a App"),
        ({"sdk": {"name": "sdk-x"}}, "sdk", "missing required field `platform`"),
        ({"context": {"locale": 5}}, "context.locale", "give a text"),
        ({"context": {"ip": "::1"}}, "context.ip", "no such key"),
        ({"context": {"user_agent": "\ud800"}}, "context.user_agent", "surrogates"),
        ({"context": {"screen": {"size": 5}}}, "screen.size", "no such key"),
        ({"context": {"screen": {"width": -1}}}, "screen.width", "0 or more"),
        ({"context": "Mozilla/5.0"}, "context", "give a ClientContext"),
        ({"user_email": 5}, "user_email", "give a text"),
        ({"variant_id": "\ud800"}, "variant_id", "surrogates"),
        ({"advertising_id": b"x"}, "advertising_id", "give a text"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_what_to_give(given: dict[str, Any], named: str, hint: str) -> None:
    """At the call, and with the key inside it (S-007)."""
    error = refusal(**given)
    assert error.option == error.field == named
    assert hint in str(error)


@pytest.mark.parametrize(
    "given",
    [
        {"publisher_token": ["canary"]},
        {"publisher_token": "canary\n"},
        {"user_id": {"id": "canary"}},
        {"user_email": ["canary"]},
        {"character": {"id": "canary", "name": 5, "avatar_url": "x"}},
        {"character": ["canary"]},
        {"regulatory": {"gdpr_consent": "canary", "gdpr": 5}},
        {"regulatory": {"gdpr_consent": ["canary"]}},
        {"regulatory": {"consent_string": "canary"}},
        {"regulatory": "canary"},
        {"context": {"user": "canary"}},
    ],
)
def test_what_identifies_a_person_is_named_and_never_shown(given: dict[str, Any]) -> None:
    """An error ends in a log: tokens, addresses, consent strings and personas stay out of it."""
    error = refusal(**given)
    assert "canary" not in str(error)
    assert "canary" not in repr(error)


def test_options_do_not_show_who_they_are_about() -> None:
    """In a traceback or a log (#31)."""
    shown = repr(options(user_email="ada@example.org", regulatory={"gdpr_consent": "CPx-demo"}))
    assert "thread-5" in shown
    assert not any(secret in shown for secret in ("acme-dev", "user-77", "ada@", "CPx"))


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"), [(0, 0.0), (1800, 1800.0), (0.5, 0.5), (None, None), (math.inf, math.inf), (10**400, math.inf)]
)
def test_an_ad_is_kept_for_seconds_or_for_ever(given: Any, kept: float | None) -> None:
    """None keeps it for the whole session (S-067, #17)."""
    assert options(ad_ttl=given).ad_ttl == kept


@pytest.mark.parametrize("given", [-1, -0.001, math.nan, "60", True, -math.inf])
def test_seconds_are_a_number_of_zero_or_more(given: Any) -> None:
    """Anything else would be an ad that is gone before it came (#17)."""
    assert refusal(ad_ttl=given).option == "ad_ttl"


# --- what may change --------------------------------------------------------------------------------------------------


def test_only_what_is_given_changes_and_none_clears() -> None:
    """What is left out is not in it at all (S-082, S-083, #60)."""
    assert mutable() == {}
    assert mutable(variant_id="blue", user_email=None) == {"variant_id": "blue", "user_email": None}
    assert mutable(regulatory=None, context=None) == {"regulatory": None, "context": None}


def test_privacy_signals_are_replaced_as_a_whole() -> None:
    """Not merged key by key (S-084)."""
    assert mutable(regulatory={"coppa": 1}) == {"regulatory": Regulatory(coppa=1)}


@pytest.mark.parametrize("name", IMMUTABLE)
def test_what_is_fixed_for_a_session_s_life_says_so(name: str) -> None:
    """Identity, placements, server and character stay as they were; the value is not shown (S-013, S-086, #60)."""
    with pytest.raises(InvalidOptionError, match="create a new session") as caught:
        mutable(**{name: "canary"})
    assert caught.value.option == name
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["variantId", "title", "messages", ""])
def test_an_option_that_does_not_exist_says_which_do(name: str) -> None:
    """A misspelt name must not pass in silence (#60)."""
    with pytest.raises(InvalidOptionError, match="there is no such option; the mutable ones are variant_id") as caught:
        mutable(**{name: "canary"})
    assert "canary" not in str(caught.value)


def test_every_option_of_a_session_is_either_mutable_or_fixed() -> None:
    """None is forgotten: the two lists and the signature of `create_session` agree (S-013)."""
    import inspect

    import kontext_rx as kx

    signature = set(inspect.signature(kx.create_session).parameters) - {"unknown"}
    assert {*MUTABLE, *IMMUTABLE} == signature
    assert not {*MUTABLE} & {*IMMUTABLE}


def test_a_change_applies_to_the_next_request_and_an_unknown_one_to_nothing(server: VirtualAdServer) -> None:
    """Also to one that waits in its debounce; what is fixed stays (S-033, S-082, S-085, S-086)."""
    from kontext_rx import Message

    watched = Watched(server, {"variant_id": "blue", "character": CHARACTER, "regulatory": {"gdpr": 1, "coppa": 1}})
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.session.update_options(variant_id="green", regulatory={"gdpr": 0})
    with pytest.raises(InvalidOptionError):
        watched.session.update_options(user_email="ada@example.org", character=None)  # type: ignore[call-arg]
    watched.clock.advance(1)
    body = server.preloads[0].body
    assert (body["variantId"], body["regulatory"], body["character"]["id"]) == ("green", {"gdpr": 0}, "c-9")
    assert "userEmail" not in body


@pytest.mark.parametrize("name", ["user.typing.stopped", "", None, 5, ["user.typing.started"]])
def test_user_events_are_a_closed_set(name: Any) -> None:
    """With one member (S-103, #80)."""
    with pytest.raises(InvalidOptionError, match=r"user\.typing\.started"):
        known_user_event(name)
    assert known_user_event("user.typing.started") == "user.typing.started"


# --- whatever is given ------------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


def keyed(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(kind.__struct_fields__), ANYTHING, max_size=3) | ANYTHING


CHOSEN: Mapping[str, st.SearchStrategy[Any]] = {
    "regulatory": keyed(Regulatory),
    "context": keyed(ClientContext),
    "character": keyed(Character),
    "app": keyed(App),
    "enabled_placement_codes": ANYTHING,
    **dict.fromkeys(("variant_id", "user_email", "advertising_id", "vendor_id", "ad_ttl", "user_id"), ANYTHING),
}


@settings(max_examples=300)
@given(st.one_of(*(st.tuples(st.just(name), chosen) for name, chosen in CHOSEN.items())))
def test_whatever_is_given_is_refused_in_our_own_words_or_can_be_sent(chosen: tuple[str, Any]) -> None:
    """No option that was taken can cost a request later, and none raises anything else."""
    name, given = chosen
    try:
        made = options(**{name: given})
    except InvalidOptionError as error:
        assert str(error).startswith((name, "screen."))  # noqa: PT017 - both ways are the rule
        return
    body = preload_body(
        made, install_id="i", messages=[], session_id=None, consent=None, process=process_device("linux", "6")
    )
    assert b"null" not in body or "null" in str(given)


@given(st.dictionaries(st.sampled_from(MUTABLE), ANYTHING, max_size=3))
def test_a_change_is_taken_whole_or_not_at_all(given: dict[str, Any]) -> None:
    """`mutable` gives back exactly the names it was given."""
    try:
        changed = mutable(**given)
    except InvalidOptionError:
        return
    assert changed.keys() == given.keys()
    assert all(changed[name] is None for name, value in given.items() if value is None)


@given(ANYTHING, ANYTHING)
def test_whatever_a_consent_platform_says_the_request_can_be_sent(gdpr: Any, text: Any) -> None:
    """Values that are none count as absent (T-007, T-008, T-009)."""
    body = preload_body(
        options(),
        install_id="i",
        messages=[],
        session_id=None,
        consent=Consent(gdpr=gdpr, gdpr_consent=text),
        process=process_device("linux", "6"),
    )
    regulatory = msgspec.json.decode(body).get("regulatory", {})
    assert regulatory.get("gdpr") in (None, 0, 1)
    assert regulatory.get("gdprConsent") in (None, text)
