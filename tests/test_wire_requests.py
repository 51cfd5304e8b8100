"""What goes out: headers and bodies, byte for byte where a server looks."""

import concurrent.futures
import datetime as dt
import json
import re
import zoneinfo
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from bodies import preload_body
from hypothesis import example, given

from kontext_rx import App, Character, ClientContext, Consent, Message, Regulatory, Screen, Sdk
from kontext_rx.history import History
from kontext_rx.options import Options
from kontext_rx.wire import (
    STACK_LIMIT,
    click_url,
    consent_flag,
    debug_body,
    debug_text,
    encode_message,
    error_body,
    frame_url,
    init_body,
    preload_headers,
    process_device,
    timestamp,
    token_headers,
)

INSTALL = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"
SESSION = "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"
BID = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"

BASE = Options(
    publisher_token="acme-dev",
    user_id="user-77",
    conversation_id="thread-5",
    sdk=Sdk(name="sdk-python", platform="web", version="0.1.0"),
    app=App(bundle_id="com.acme.chat", version="2.4.1", start_time=1772439000000),
)
SDK_SENT = {"name": "sdk-python", "platform": "web", "version": "0.1.0"}
PROCESS = process_device("linux", "6.8")
PROCESS_SENT = {
    "hardware": {"type": "other"},
    "os": {"name": "linux", "version": "6.8", "locale": "und", "timezone": "Etc/UTC"},
    "screen": {"width": 0, "height": 0, "dpr": 1.0, "darkMode": False},
}


def options(**given: Any) -> Options:
    return msgspec.structs.replace(BASE, **given)


def preload(
    *messages: Message, session_id: str | None = None, consent: Consent | None = None, **given: Any
) -> dict[str, Any]:
    body = preload_body(
        options(**given),
        install_id=INSTALL,
        messages=[encode_message(message) for message in messages],
        session_id=session_id,
        consent=consent,
        process=PROCESS,
    )
    return json.loads(body)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


# --- headers ----------------------------------------------------------------------------------------------------------


def test_init_carries_the_token_and_nothing_about_a_turn() -> None:
    """No cookie, no other credential, no user agent of ours (I-002, H-023)."""
    assert token_headers("acme-dev") == {"Content-Type": "application/json", "Kontextso-Publisher-Token": "acme-dev"}


@pytest.mark.parametrize(("track_only", "sent"), [(False, "0"), (True, "1")])
def test_a_preload_says_whether_the_turn_is_only_tracked(track_only: bool, sent: str) -> None:
    """The header speaks of this turn and not of the session (P-002, P-003)."""
    assert preload_headers("acme-dev", track_only=track_only) == {
        "Content-Type": "application/json",
        "Kontextso-Publisher-Token": "acme-dev",
        "Kontextso-Is-Disabled": sent,
    }


# --- /init ------------------------------------------------------------------------------------------------------------


def test_init_says_who_and_which_app() -> None:
    """Five keys: no conversation, no message, and of the app only its name and version (I-003, I-004, I-005, I-030)."""
    assert json.loads(init_body(BASE, INSTALL)) == {
        "publisherToken": "acme-dev",
        "userId": "user-77",
        "installId": INSTALL,
        "sdk": SDK_SENT,
        "app": {"bundleId": "com.acme.chat", "version": "2.4.1"},
    }


def test_init_names_the_app_even_when_it_has_no_name() -> None:
    """Empty texts are sent (I-005)."""
    assert json.loads(init_body(options(app=App(version="")), INSTALL))["app"] == {"bundleId": "", "version": ""}


# --- /preload ---------------------------------------------------------------------------------------------------------

FIRST = Message.user("m-1", "Any tent for two?", at("2026-03-02T08:15:00.250Z"))
SECOND = Message.assistant("m-2", "For summer?", at("2026-03-02T08:15:03Z"))


def test_the_first_preload_of_a_plain_session_is_exactly_this() -> None:
    """The nine keys that are always there, and no other (P-004, P-005, P-007, P-008, P-009, W-029)."""
    assert preload(FIRST, SECOND) == {
        "publisherToken": "acme-dev",
        "userId": "user-77",
        "installId": INSTALL,
        "conversationId": "thread-5",
        "enabledPlacementCodes": ["inlineAd"],
        "messages": [
            {"id": "m-1", "role": "user", "content": "Any tent for two?", "createdAt": "2026-03-02T08:15:00.250Z"},
            {"id": "m-2", "role": "assistant", "content": "For summer?", "createdAt": "2026-03-02T08:15:03.000Z"},
        ],
        "sdk": SDK_SENT,
        "device": PROCESS_SENT,
        "app": {"bundleId": "com.acme.chat", "version": "2.4.1", "startTime": 1772439000000},
    }  # fmt: skip


def test_a_preload_of_a_session_that_knows_everything_is_exactly_this() -> None:
    """Every key of the wire that is ours to send, in its own spelling (P-005, W-011, W-012, W-014, W-023, W-028)."""
    sent = preload(
        FIRST,
        session_id=SESSION,
        enabled_placement_codes=("inlineAd", "sidebar"),
        character=Character(
            id="c-9",
            name="Ranger",
            avatar_url="https://acme.example/r.png?v=3&w=ü",
            greeting="Hello",
            persona="A ranger",
            tags=("wild", "calm"),
            is_nsfw=False,
        ),
        regulatory=Regulatory(gdpr=1, gdpr_consent="CPx-demo", coppa=0, gpp="DBAA", gpp_sid=(7,), us_privacy="1YNN"),
        user_email="ada@example.org",
        variant_id="blue",
        advertising_id="38400000-8cf0-11bd-b23e-10b96e40000d",
        vendor_id="12340000-8cf0-11bd-b23e-10b96e40000d",
        app=App(
            bundle_id="com.acme.chat",
            version="2.4.1",
            first_install_time=1,
            last_update_time=2,
            start_time=3,
            store_url="https://store.example/acme",
        ),
        context=ClientContext(
            user_agent="Acme/1 (Linux; Android 14) Mobile",
            locale="en_GB",
            timezone="Europe/London",
            screen=Screen(width=2560, height=1440, dpr=2, dark_mode=True, orientation="landscape", brightness=80),
            brand="Acme",
            model="One",
            network_type="wifi",
            carrier="Acme Mobile",
        ),
    )
    del sent["messages"]
    assert sent == {
        "publisherToken": "acme-dev",
        "userId": "user-77",
        "installId": INSTALL,
        "conversationId": "thread-5",
        "sessionId": SESSION,
        "enabledPlacementCodes": ["inlineAd", "sidebar"],
        "sdk": SDK_SENT,
        "character": {
            "id": "c-9",
            "name": "Ranger",
            "avatarUrl": "https://acme.example/r.png?v=3&w=ü",
            "greeting": "Hello",
            "persona": "A ranger",
            "tags": ["wild", "calm"],
            "isNsfw": False,
        },
        "regulatory": {
            "gdpr": 1,
            "gdprConsent": "CPx-demo",
            "coppa": 0,
            "gpp": "DBAA",
            "gppSid": [7],
            "usPrivacy": "1YNN",
        },
        "userEmail": "ada@example.org",
        "variantId": "blue",
        "advertisingId": "38400000-8cf0-11bd-b23e-10b96e40000d",
        "vendorId": "12340000-8cf0-11bd-b23e-10b96e40000d",
        "app": {
            "bundleId": "com.acme.chat",
            "version": "2.4.1",
            "firstInstallTime": 1,
            "lastUpdateTime": 2,
            "startTime": 3,
            "storeUrl": "https://store.example/acme",
        },
        "device": {
            "hardware": {"type": "handset", "brand": "Acme", "model": "One"},
            "os": {"name": "android", "version": "14", "locale": "en-GB", "timezone": "Europe/London"},
            "screen": {
                "width": 2560,
                "height": 1440,
                "dpr": 2.0,
                "darkMode": True,
                "orientation": "landscape",
                "brightness": 80.0,
            },
            "network": {"type": "wifi", "carrier": "Acme Mobile", "userAgent": "Acme/1 (Linux; Android 14) Mobile"},
        },
    }


def test_of_the_network_the_user_agent_is_told() -> None:
    """The one field of the block that the server uses; without one there is no block (W-020, W-027, C-002)."""
    assert preload(FIRST, context=ClientContext(user_agent="curl/8"))["device"]["network"] == {"userAgent": "curl/8"}
    assert "network" not in preload(FIRST, context=ClientContext(locale="cs"))["device"]


def test_instants_are_written_alike_from_many_threads() -> None:
    """Nothing is shared between two calls (W-004)."""
    moments = [at("2026-03-02T08:15:00Z") + dt.timedelta(milliseconds=number) for number in range(1000)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(timestamp, moments)) == [timestamp(moment) for moment in moments]


def test_a_body_is_utf_8_and_not_escaped() -> None:
    """In both directions (H-021)."""
    body = preload_body(
        BASE,
        install_id=INSTALL,
        messages=[encode_message(Message.user("m", "Žluťoučký 🏕"))],
        session_id=None,
        consent=None,
        process=PROCESS,
    )
    assert "Žluťoučký 🏕".encode() in body


@pytest.mark.parametrize(
    ("given", "at_path", "kept"),
    [
        ({"character": Character(id="c", name="n", avatar_url="u", tags=())}, ("character", "tags"), []),
        ({"character": Character(id="c", name="n", avatar_url="u", greeting="")}, ("character", "greeting"), ""),
        ({"regulatory": Regulatory(gpp_sid=())}, ("regulatory", "gppSid"), []),
        ({"regulatory": Regulatory(gdpr=0)}, ("regulatory", "gdpr"), 0),
        ({"regulatory": Regulatory(coppa=0)}, ("regulatory", "coppa"), 0),
        ({"regulatory": Regulatory(gdpr_consent="")}, ("regulatory", "gdprConsent"), ""),
    ],
)
def test_empty_and_zero_are_values(given: dict[str, Any], at_path: tuple[str, str], kept: object) -> None:
    """Empty lists, empty texts, zero and false are kept (W-006, W-007, W-012, W-013, #70)."""
    outer, inner = at_path
    assert preload(FIRST, **given)[outer][inner] == kept


@pytest.mark.parametrize(
    "given",
    [
        {"user_email": ""},
        {"user_email": " "},
        {"variant_id": "\t"},
        {"advertising_id": ""},
        {"advertising_id": "  "},
        {"advertising_id": "\t\n"},
        {"advertising_id": "00000000-0000-0000-0000-000000000000"},
        {"vendor_id": "00000000-0000-0000-0000-000000000000"},
        {"vendor_id": "0"},
        {"regulatory": Regulatory()},
        {"character": None},
    ],
)
def test_what_says_nothing_is_left_out(given: dict[str, Any]) -> None:
    """Blank ids, all-zero device ids, a regulatory without a value: the key is not there (P-009, P-015, T-005, #70)."""
    assert preload(FIRST, **given) == preload(FIRST)


def test_what_a_struct_leaves_out_is_no_key() -> None:
    """Never null, at any level, and no deprecated `title` (W-006, W-030)."""
    sent = preload(FIRST, character=Character(id="c", name="n", avatar_url="u"), regulatory=Regulatory(gpp="DBAA"))
    assert sent["character"] == {"id": "c", "name": "n", "avatarUrl": "u"}
    assert sent["regulatory"] == {"gpp": "DBAA"}
    assert "null" not in json.dumps(sent)


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        ("1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.000Z"),
        ("1970-01-01T00:00:01.234+00:00", "1970-01-01T00:00:01.234Z"),
        ("2026-03-02T08:15:09.871999+00:00", "2026-03-02T08:15:09.871Z"),
        ("2026-03-02T09:15:00+01:00", "2026-03-02T08:15:00.000Z"),
        ("2026-03-01T23:59:59.9999-11:30", "2026-03-02T11:29:59.999Z"),
        ("0001-01-02T00:00:00+00:00", "0001-01-02T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59.999Z"),
        ("1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_utc_with_three_digits_and_a_z(moment: str, sent: str) -> None:
    """Cut and not rounded, whatever the zone (W-001, W-002, W-003, W-005, #71)."""
    assert timestamp(at(moment)) == sent


def test_the_machine_s_zone_has_no_influence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has summer time (W-003)."""
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        summer = dt.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Prague"))
        assert timestamp(summer) == "2026-07-01T10:00:00.000Z"
        assert timestamp(at("1970-01-01T00:00:00Z")) == "1970-01-01T00:00:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()


ZONES = st.timezones() | st.just(dt.UTC)


@given(st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30), timezones=ZONES))
def test_any_instant_has_the_one_form_and_loses_less_than_a_millisecond(moment: dt.datetime) -> None:
    """Twenty-four characters, and the moment itself (W-001, W-003, W-005)."""
    sent = timestamp(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", sent)
    assert dt.timedelta(0) <= moment - at(sent) < dt.timedelta(milliseconds=1)


def test_a_library_s_own_kind_of_datetime_is_an_instant_too() -> None:
    """As those of pandas and pendulum are."""

    class Moment(dt.datetime):
        pass

    assert timestamp(Moment(2026, 3, 2, 8, 15, 0, 5_999, dt.UTC)) == "2026-03-02T08:15:00.005Z"


ODD = ('"', "\\", "\n", "\x00", "\ud83c", "\udfd5", "\U0001f3d5")
ANY_TEXT = st.lists(st.sampled_from(ODD) | st.text(max_size=3), max_size=8).map("".join)
"""Halves of surrogate pairs too, which `st.text()` leaves out."""


@given(ANY_TEXT, st.sampled_from(["user", "assistant"]))
@example("half an emoji, as a cut stream leaves it: \ud83c", "assistant")
def test_any_text_arrives_as_it_was_said(content: str, role: Any) -> None:
    """Quotes, newlines, Markdown, empty, and half an emoji; two halves are a whole one (W-009, W-010, P-007)."""
    message = Message("m-1", role, content, at("2026-03-02T08:15:00Z"))
    assert json.loads(bytes(encode_message(message))) == {
        "id": "m-1",
        "role": role,
        "content": content.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"),
        "createdAt": "2026-03-02T08:15:00.000Z",
    }


def test_a_user_whose_name_looks_like_the_body_does_not_split_it() -> None:
    """The messages are put where the body has its list of them, and nowhere else."""
    sent = preload(Message.user("m", "Hi"), user_id='"messages":[', variant_id='x"messages":[{}]')
    assert (sent["userId"], sent["variantId"]) == ('"messages":[', 'x"messages":[{}]')
    assert [message["id"] for message in sent["messages"]] == ["m"]


def test_the_last_thirty_messages_travel_in_order() -> None:
    """However long the conversation (P-006, C-008)."""
    history = History(encode_message)
    for number in range(1, 41):
        history.add(Message.user(f"m{number}", "Hi"))
    body = preload_body(
        BASE, install_id=INSTALL, messages=history.encoded, session_id=None, consent=None, process=PROCESS
    )
    assert [message["id"] for message in json.loads(body)["messages"]] == [f"m{number}" for number in range(11, 41)]


# --- consent ----------------------------------------------------------------------------------------------------------

OWN = Regulatory(gdpr=0, gdpr_consent="publisher", coppa=1, gpp="gpp-str")


@pytest.mark.parametrize(
    ("own", "consent", "sent"),
    [
        (OWN, Consent(gdpr=1, gdpr_consent="tcf"), {"gdpr": 1, "gdprConsent": "tcf", "coppa": 1, "gpp": "gpp-str"}),
        (OWN, Consent(gdpr=1), {"gdpr": 1, "gdprConsent": "publisher", "coppa": 1, "gpp": "gpp-str"}),
        (OWN, Consent(gdpr_consent="tcf"), {"gdpr": 0, "gdprConsent": "tcf", "coppa": 1, "gpp": "gpp-str"}),
        (OWN, Consent(), {"gdpr": 0, "gdprConsent": "publisher", "coppa": 1, "gpp": "gpp-str"}),
        (OWN, None, {"gdpr": 0, "gdprConsent": "publisher", "coppa": 1, "gpp": "gpp-str"}),
        (Regulatory(gdpr=1), Consent(gdpr=0), {"gdpr": 0}),
        (None, Consent(gdpr=1, gdpr_consent="tcf"), {"gdpr": 1, "gdprConsent": "tcf"}),
        (None, Consent(gdpr_consent=" CPx "), {"gdprConsent": " CPx "}),
        (None, Consent(gdpr_consent=" \n"), None),
        (None, Consent(gdpr=5), None),
        (None, Consent(), None),
        (None, None, None),
    ],
)
def test_consent_wins_over_the_app_s_own_values_each_on_its_own(
    own: Regulatory | None, consent: Consent | None, sent: dict[str, Any] | None
) -> None:
    """
    The other four keys are the app's; with nothing anywhere there is no key.

    (T-002, T-003, T-004, T-005, T-006, T-008, #33)
    """
    assert preload(FIRST, regulatory=own, consent=consent).get("regulatory") == sent


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (0, 0), (1, 1), (False, 0), (True, 1), ("0", 0), ("1", 1),
        (5, None), (-1, None), (2, None), (1.5, None), (1.0, None), ("abc", None), ("", None), (None, None),
        ([1], None),
    ],
)  # fmt: skip
def test_gdpr_is_zero_or_one_however_a_platform_stores_it(stored: object, read: int | None) -> None:
    """Integers, booleans and digits; everything else is absent (T-007)."""
    flag = consent_flag(stored)
    assert flag == read
    assert not isinstance(flag, bool)


@pytest.mark.parametrize("text", [5, b"CPx", ["CPx"], True, "CP\ud800"])
def test_a_consent_string_that_is_none_costs_nothing(text: Any) -> None:
    """A provider is not checked as options are: what cannot be sent counts as absent (T-008, T-009)."""
    assert "regulatory" not in preload(FIRST, consent=Consent(gdpr_consent=text))


# --- device -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "path", "sent"),
    [
        (ClientContext(), "hardware", {"type": "other"}),
        (ClientContext(), "os", {"name": "unknown", "version": "unknown", "locale": "und", "timezone": "Etc/UTC"}),
        (ClientContext(), "screen", {"width": 0, "height": 0, "dpr": 1.0, "darkMode": False}),
        (ClientContext(), "network", None),
        (ClientContext(user_agent=" "), "network", None),
        (ClientContext(carrier="Acme"), "network", {"carrier": "Acme"}),
        (ClientContext(user_agent="curl/8"), "network", {"userAgent": "curl/8"}),
        (ClientContext(user_agent="x (Windows NT 10.0)", hardware_type="tv"), "hardware", {"type": "tv"}),
        (ClientContext(user_agent="x (Windows NT 10.0)"), "hardware", {"type": "desktop"}),
    ],
)
def test_what_nobody_knows_of_the_device_is_said_to_be_unknown(context: ClientContext, path: str, sent: object) -> None:
    """The parts that the server requires are there; the rest is not (W-018, W-019, W-021, W-025, W-029, #73)."""
    device = preload(FIRST, context=context)["device"]
    assert device.get(path) == sent
    assert not {"power", "audio"} & device.keys()


@pytest.mark.parametrize(
    ("context", "name", "version"),
    [
        (ClientContext(os_name="Windows", os_version="11"), "windows", "11"),
        (ClientContext(user_agent="x (Windows NT 10.0)", os_name="windows"), "windows", "10.0"),
        (ClientContext(user_agent="x (Windows NT 10.0)", os_name="linux"), "linux", "unknown"),
        (ClientContext(user_agent="x (Windows NT 10.0)", os_version="11"), "windows", "11"),
        (ClientContext(os_name=""), "unknown", "unknown"),
    ],
)
def test_the_system_is_lower_case_and_its_version_its_own(context: ClientContext, name: str, version: str) -> None:
    """The version of one system is never told of another (W-024)."""
    system = preload(FIRST, context=context)["device"]["os"]
    assert (system["name"], system["version"]) == (name, version)


@pytest.mark.parametrize(("locale", "sent"), [("en_US", "en-US"), ("cs", "cs"), ("", "und"), (None, "und")])
def test_a_locale_has_hyphens(locale: str | None, sent: str) -> None:
    """Never `en_US` (W-024)."""
    assert preload(FIRST, context=ClientContext(locale=locale))["device"]["os"]["locale"] == sent


@pytest.mark.parametrize(("system", "version"), [("", ""), ("linux", "6.8")])
def test_a_process_describes_itself_and_no_user(system: str, version: str) -> None:
    """Hardware `other`, no screen, no network; a system without a name is unknown (C-001, C-002, #73)."""
    device = json.loads(msgspec.json.encode(process_device(system, version)))
    named = {"name": system or "unknown", "version": version or "unknown", "locale": "und", "timezone": "Etc/UTC"}
    assert device == {**PROCESS_SENT, "os": named}


# --- /error and /debug ------------------------------------------------------------------------------------------------

FACTS = {
    "publisherToken": "acme-dev",
    "conversationId": "thread-5",
    "userId": "user-77",
    "installId": INSTALL,
    "sdk": SDK_SENT,
}


def test_an_error_report_is_exactly_this() -> None:
    """
    The label stands for the trace; there is no session id.

    (E-002, E-003, E-004, E-005, E-007, E-031, E-033, N-006)
    """
    body = error_body(BASE, INSTALL, "Expecting value", "Init.fetch")
    assert json.loads(body) == {"error": "Expecting value", "stack": "Init.fetch", "additionalData": FACTS}


def test_an_error_report_leaves_out_what_is_not_known_and_names_the_bid_that_it_concerns() -> None:
    """Absent values are no keys (E-004)."""
    assert json.loads(error_body(BASE, INSTALL, "No answer")) == {"error": "No answer", "additionalData": FACTS}
    about = json.loads(error_body(BASE, INSTALL, "No answer", bid_id=BID))["additionalData"]
    assert about == {**FACTS, "bidId": BID}


def test_a_long_trace_keeps_its_end() -> None:
    """Where the error is; a few KB are enough (#69)."""
    sent = json.loads(error_body(BASE, INSTALL, "x", "a" * STACK_LIMIT + "the end"))["stack"]
    assert len(sent) == STACK_LIMIT
    assert sent.endswith("the end")


@given(ANY_TEXT, ANY_TEXT)
@example("\ud83c", "\udfd5")
def test_any_text_survives_in_a_report(error: str, stack: str) -> None:
    """Quotes, backslashes and newlines arrive; what UTF-8 cannot carry is replaced and costs nothing (E-009)."""
    sent = json.loads(error_body(BASE, INSTALL, error, stack))
    assert sent["error"] == error.encode("utf-8", "replace").decode()
    assert sent["stack"] == stack.encode("utf-8", "replace").decode()


def test_a_debug_report_is_exactly_this() -> None:
    """As an error's, with the session in place of the bid (E-020, E-028, E-031, E-033, N-006)."""
    body = debug_body(BASE, INSTALL, "Session: bid-assigned", {"messageId": "m-4"}, SESSION)
    assert json.loads(body) == {
        "name": "Session: bid-assigned",
        "data": '{"messageId":"m-4"}',
        "additionalData": {**FACTS, "sessionId": SESSION},
    }


def test_a_debug_report_without_data_or_session_has_neither() -> None:
    """Absent stays absent (E-004, E-020, E-021)."""
    assert json.loads(debug_body(BASE, INSTALL, "Init: start", None, None)) == {
        "name": "Init: start",
        "additionalData": FACTS,
    }


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ({"a": 1, "ü": [True, None]}, '{"a":1,"ü":[true,null]}'),
        ([1, "b"], '[1,"b"]'),
        ((1, 2), "[1,2]"),
        ({}, "{}"),
        (42, "42"),
        (1.5, "1.5"),
        ("text", "text"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        ({"at": dt.date(2026, 3, 2)}, '{"at":"2026-03-02"}'),
        (ValueError("odd"), "odd"),
        ("half \ud83c", "half ?"),
        ({"half": "\ud83c"}, '{"half":"?"}'),
    ],
)
def test_debug_data_is_text(data: object, sent: str) -> None:
    """JSON of a map or a list, the bare text of a scalar, the printed form of anything else (E-021)."""
    assert json.loads(debug_body(BASE, INSTALL, "x", data, None))["data"] == sent


def test_debug_text_of_nothing_odd_is_json_again() -> None:
    """What was a map can be read as one (E-021)."""
    data = {"quoted": 'a"b\\c\n', "deep": {"list": [1, 2.5, None]}}
    assert json.loads(debug_text(data)) == data


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theme", "end"), [("dark", "&theme=dark"), (None, ""), ("", ""), ("a&b=c", "&theme=a%26b%3Dc")]
)
def test_a_frame_s_address_has_its_values_percent_encoded(theme: str | None, end: str) -> None:
    """In this order, the bid in lower case, the theme only when set (#40, #72)."""
    address = frame_url("https://x", BID.upper(), code="in line/ad", message_id="m+4&ü", sdk="sdk-python", theme=theme)
    assert address == f"https://x/api/frame/{BID}?code=in%20line%2Fad&messageId=m%2B4%26%C3%BC&sdk=sdk-python{end}"


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("/click/1?x=1", "https://x/click/1?x=1"),
        ("//other/click", "//other/click"),
        ("https://brand.example/a", "https://brand.example/a"),
        ("mailto:a@b", "mailto:a@b"),
        ("", ""),
    ],
)
def test_a_click_on_a_relative_address_leads_to_the_server(url: str, leads_to: str) -> None:
    """One leading slash; every other address passes as it is (#81)."""
    assert click_url("https://x", url) == leads_to


def test_the_texts_of_requests_are_lower_case_uuids_and_versions_of_ours() -> None:
    """The SDK's version is the package's (W-008, W-014, W-015)."""
    import importlib.metadata

    from kontext_rx.create import _default_sdk

    sdk = _default_sdk()
    assert (sdk.name, sdk.platform) == ("sdk-python", "web")
    assert sdk.version == importlib.metadata.version("kontext-rx")
