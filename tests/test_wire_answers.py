"""What an answer means, whatever a server sends."""

import datetime as dt
import email.utils
import json

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from kontext_rx.testing import SESSION_ID
from kontext_rx.wire import (
    Bid,
    Failed,
    Fill,
    InitAnswer,
    Skip,
    UndecodableError,
    _judge_any,
    is_uuid,
    judge_init,
    judge_preload,
    lost,
    retry_after_s,
)

ONE = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"
TWO = "9c2e7f30-1111-4222-8333-444455556666"
BID = {"bidId": ONE, "code": "inlineAd"}


def judged(body: object, *, status: int = 200, enabled: tuple[str, ...] = ("inlineAd",)) -> Fill | Skip | Failed:
    return judge_preload(status, body if isinstance(body, bytes) else json.dumps(body).encode(), enabled)


def good(*bids: object, **more: object) -> dict[str, object]:
    return {"sessionId": SESSION_ID, "bids": list(bids), **more}


def kept(answer: Fill | Skip | Failed) -> list[tuple[str, str]]:
    assert isinstance(answer, Fill)
    return [(bid.bid_id, bid.code) for bid in answer.bids]


# --- fills ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_2xx_with_a_bid_for_an_enabled_placement_is_a_fill(status: int) -> None:
    """With only what is required, the rest has its defaults (P-020, D-001, D-014)."""
    assert judged(good(BID), status=status) == Fill((Bid(bid_id=ONE, code="inlineAd"),), SESSION_ID)
    assert Bid(bid_id=ONE, code="inlineAd") == Bid(ONE, "inlineAd", None, "immediate", None)


def test_bids_are_kept_in_the_server_s_order() -> None:
    """One for each enabled placement (P-020, P-021)."""
    answer = judged(good({"bidId": TWO, "code": "b"}, {"bidId": ONE, "code": "a"}), enabled=("a", "b"))
    assert kept(answer) == [(TWO, "b"), (ONE, "a")]


def test_bids_for_other_placements_are_discarded() -> None:
    """The others survive (P-022)."""
    assert kept(judged(good({"bidId": TWO, "code": "sidebar"}, BID))) == [(ONE, "inlineAd")]


def test_of_two_bids_for_one_placement_the_first_counts() -> None:
    """Only what can be shown is told (S-061, #52)."""
    assert kept(judged(good(BID, {"bidId": TWO, "code": "inlineAd"}))) == [(ONE, "inlineAd")]
    assert kept(judged(good(BID, BID))) == [(ONE, "inlineAd")]


def test_a_placement_is_its_exact_code() -> None:
    """No case is folded (S-060)."""
    assert judged(good({"bidId": ONE, "code": "InlineAd"})) == Skip(
        "unfilled_bid", SESSION_ID, "no-bids-for-placement-codes"
    )


@pytest.mark.parametrize(
    ("revenue", "read"),
    [
        (0.031, 0.031), (0, 0), (3, 3), (-1.5, -1.5), (1e308, 1e308),
        ("0.031", None), (None, None), (True, None), ([1], None), (10**400, None), (-(10**400), None),
    ],
)  # fmt: skip
def test_a_price_is_a_number_or_counts_as_absent(revenue: object, read: float | None) -> None:
    """As it was sent, and a bad one must not cost the ad (P-058, D-004, #28)."""
    answer = judged(good({**BID, "revenue": revenue}))
    assert isinstance(answer, Fill)
    assert answer.bids[0].revenue == read
    assert type(answer.bids[0].revenue) in (int, float, type(None))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("component", "component"), ("immediate", "immediate"),
        ("later", "immediate"), (None, "immediate"), (5, "immediate"), (["component"], "immediate"),
    ],
)  # fmt: skip
def test_an_unknown_trigger_is_immediate(given: object, read: str) -> None:
    """So is a missing one (D-005, D-006)."""
    answer = judged(good({**BID, "impressionTrigger": given}))
    assert isinstance(answer, Fill)
    assert answer.bids[0].impression_trigger == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"om": {"creativeType": "video"}}, "video"),
        ({"om": {"creativeType": "video"}, "creativeType": "display"}, "video"),
        ({"om": None, "creativeType": "display"}, "display"),
        ({"om": {"creativeType": None}, "creativeType": "display"}, "display"),
        ({"om": "video"}, None),
        ({"creativeType": "audio"}, None),
        ({"creativeType": ["video"]}, None),
    ],
)
def test_the_kind_of_creative_has_two_places(given: dict[str, object], read: str | None) -> None:
    """An unknown one is absent (D-007, D-008, #28)."""
    answer = judged(good({**BID, **given}))
    assert isinstance(answer, Fill)
    assert answer.bids[0].creative_type == read


def test_keys_that_are_not_ours_are_ignored() -> None:
    """Those of older APIs, of native viewability, and of tomorrow (P-048, P-059, D-011, D-021)."""
    bid = {**BID, "value": 0.5, "bid": 1, "akk": {"jws": "x"}, "skan": {"version": 5}, "adDisplayPosition": "x"}
    body = good(bid, remoteLogLevel="x", status="x", ads=[1], adId="x", bid=5, bidId=TWO, preloadTimeout=1, error="x")
    assert judged(body) == Fill((Bid(bid_id=ONE, code="inlineAd"),), SESSION_ID)


# --- skips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        good(),
        {"sessionId": SESSION_ID},
        {"sessionId": SESSION_ID, "bids": None},
        good({"bidId": ONE, "code": "sidebar"}),
        good(skipCode="ads_disabled"),
        good(skip=False),
        good(skip="true"),
        good(skip=1),
    ],
)
def test_no_usable_bid_is_an_unfilled_one_and_the_session_id_is_taken(body: object) -> None:
    """Absent, null, empty, or for other placements: one code for one situation (P-023, P-024, P-047, D-013, #24)."""
    assert judged(body) == Skip("unfilled_bid", SESSION_ID, "no-bids-for-placement-codes")


@pytest.mark.parametrize(
    ("skip_code", "told"),
    [
        *((code, code) for code in ("ads_disabled", "ad_skipped", "ivt_blocked", "session_disabled", "of_tomorrow")),
        (None, "unknown"),
        ("", "unknown"),
        (5, "unknown"),
    ],
)
def test_a_skip_says_why_in_the_server_s_words(skip_code: object, told: str) -> None:
    """An open set; without one it is `unknown` (P-025, P-027, P-047, #24)."""
    assert judged({"sessionId": SESSION_ID, "skip": True, "skipCode": skip_code}) == Skip(told, SESSION_ID)


def test_a_skip_wins_over_bids() -> None:
    """And over a word of permanence, which is read on the error path alone (P-026, P-031, #63)."""
    assert judged(good(BID, skip=True, skipCode="frequency_cap", permanent=True)) == Skip("frequency_cap", SESSION_ID)


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (200, b" \r\n"), (201, b"\t")])
def test_no_content_is_no_ad_and_no_failure(status: int, body: bytes) -> None:
    """A 204, and a 2xx without a body (P-034, P-038, #26)."""
    assert judge_preload(status, body, ("inlineAd",)) == Skip("unfilled_bid", note="no-content")


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 199, 300, 301, 400, 401, 403, 404, 418, 429, 500, 502, 503, 599])
@pytest.mark.parametrize("body", [b"", b"<html>", json.dumps(good(BID)).encode(), b'{"permanent": true}'])
def test_any_other_status_fails_and_its_body_is_not_read(status: int, body: bytes) -> None:
    """Not disabled, not reported (P-035, P-036, H-004, E-017, #25, #65)."""
    assert judge_preload(status, body, ("inlineAd",)) == Failed(f"HTTP {status}", "request_failed", status=status)


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ({"errCode": "rate_limited"}, Failed("Ad generation skipped", "rate_limited")),
        ({**good(BID), "errCode": "x"}, Failed("Ad generation skipped", "x", SESSION_ID)),
        ({**good(BID), "errCode": ""}, Failed("Ad generation skipped", "unknown", SESSION_ID)),
        ({"sessionId": SESSION_ID, "skip": True, "errCode": "x"}, Failed("Ad generation skipped", "x", SESSION_ID)),
        ({}, Failed("Ad generation skipped", "unknown")),
        ({"skip": True}, Failed("Ad generation skipped", "unknown")),
        ({"bids": [BID]}, Failed("Ad generation skipped", "unknown")),
        ({"bids": [BID], "sessionId": None}, Failed("Ad generation skipped", "unknown")),
        ({"errCode": 5}, Failed("Ad generation skipped", "unknown")),
        ({"errCode": ["x"], "permanent": True}, Failed("Session is disabled", "session_disabled", permanent=True)),
        ({"errCode": "x", "permanent": False}, Failed("Ad generation skipped", "x")),
        ({"errCode": "x", "permanent": "true"}, Failed("Ad generation skipped", "x")),
        ({"errCode": "geo", "permanent": True}, Failed("Session is disabled", "geo", permanent=True)),
        ({"permanent": True}, Failed("Session is disabled", "session_disabled", permanent=True)),
        (
            {"permanent": True, "errCode": "x", "sessionId": SESSION_ID, "error": "human words"},
            Failed("Session is disabled", "x", SESSION_ID, permanent=True),
        ),
    ],
)
def test_an_error_of_the_server_s_has_its_code_and_our_words(body: object, failed: Failed) -> None:
    """
    A code, or no session id; the human text is not read, and nothing is reported.

    (P-028, P-029, P-030, P-031, P-032, P-033, D-015, #22, #64)
    """
    assert judged(body) == failed


def test_permanence_is_read_on_the_error_path_alone() -> None:
    """A fill with the word in it is a fill (P-031, #63)."""
    assert kept(judged(good(BID, permanent=True))) == [(ONE, "inlineAd")]


def test_a_code_of_the_wrong_kind_counts_as_absent() -> None:
    """As every optional field (#28)."""
    assert kept(judged(good(BID, errCode=5))) == [(ONE, "inlineAd")]
    assert kept(judged(good(BID, errCode=None))) == [(ONE, "inlineAd")]


BAD_IDS = [
    "",
    "not-a-uuid",
    ONE.replace("-", ""),
    "{" + ONE + "}",
    "urn:uuid:" + ONE,
    ONE[:-1],
    ONE + "0",
    ONE + "\n",
    5,
]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"<html>",
        b"\xff\xfe",
        b'{"sessionId": "\xff"}',
        b"[" * 100_000,
        b"[]",
        b"null",
        b'"text"',
        b"5",
        *({"sessionId": bad, "bids": [BID]} for bad in BAD_IDS),
        *(good({"bidId": bad, "code": "inlineAd"}) for bad in BAD_IDS),
        *(good(BID, {"bidId": bad, "code": "sidebar"}) for bad in (None, ONE[:-1])),
        good({"bidId": ONE}),
        good({"bidId": ONE, "code": None}),
        good({"bidId": ONE, "code": 5}),
        good({"code": "inlineAd"}),
        good(5),
        good(None),
        good([BID]),
        {"sessionId": SESSION_ID, "bids": {"0": BID}},
        {"sessionId": SESSION_ID, "bids": "x"},
        {"sessionId": SESSION_ID, "bids": False},
    ],
)
def test_what_cannot_be_decoded_fails_as_a_whole_and_is_reported(body: object) -> None:
    """
    No JSON, no object, a bid or a session without identity.

    (P-037, P-039, D-002, D-003, D-012, D-016, E-016, #28)
    """
    answer = judged(body)
    assert isinstance(answer, Failed)
    assert answer.message.startswith("Error preloading ads: ")
    assert len(answer.message) > len("Error preloading ads: ")
    assert answer == Failed(answer.message, "request_failed", report=True)


def test_a_lost_request_says_what_was_lost() -> None:
    """In the words of the one form (P-040, #27)."""
    assert lost("no answer within 16 s") == Failed(
        "Error preloading ads: no answer within 16 s", "request_failed", report=True
    )


def test_ids_are_lower_case_whatever_case_they_come_in() -> None:
    """As text, everywhere: what a report names is what was kept (E-006, W-008, D-012, #72)."""
    answer = judged({"sessionId": SESSION_ID.upper(), "bids": [{"bidId": ONE.upper(), "code": "inlineAd"}]})
    assert answer == Fill((Bid(bid_id=ONE, code="inlineAd"),), SESSION_ID)


@pytest.mark.parametrize("text", BAD_IDS)
def test_a_uuid_has_one_form(text: object) -> None:
    """8-4-4-4-12 hexadecimal digits, of any version and case (N-003, N-004, #28)."""
    assert not is_uuid(text)
    assert is_uuid(ONE)
    assert is_uuid(ONE.upper())
    assert not is_uuid("\uff11" + ONE[1:])


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(ONE), st.just("inlineAd")),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=8,
)
KEYS = ("sessionId", "bids", "skip", "skipCode", "errCode", "permanent", "enabled", "preloadTimeout", "reportErrors")
BIDS = st.lists(
    st.dictionaries(st.sampled_from(("bidId", "code", "revenue", "om", "impressionTrigger", "creativeType")), JSON)
)
ANSWERS = st.one_of(JSON, st.dictionaries(st.sampled_from(KEYS), JSON | BIDS, max_size=5))


@given(st.integers(0, 999), st.one_of(st.binary(), ANSWERS.map(lambda body: json.dumps(body).encode())))
@example(200, json.dumps(good({**BID, "revenue": 10**400})).encode())
def test_judging_never_raises_whatever_the_server_sends(status: int, body: bytes) -> None:
    """And every answer has one meaning, with a word of why where it is no fill (P-046)."""
    answer = judge_preload(status, body, ("inlineAd", "sidebar"))
    match answer:
        case Fill():
            assert {bid.code for bid in answer.bids} <= {"inlineAd", "sidebar"}
            assert answer.bids
        case Skip():
            assert answer.skip_code
        case Failed():
            assert answer.message
            assert answer.err_code
    assert answer.session_id is None or is_uuid(answer.session_id)


USUAL = st.fixed_dictionaries(
    {},
    optional={
        "sessionId": st.sampled_from((SESSION_ID, SESSION_ID.upper(), None, 5, "x")),
        "bids": st.sampled_from(
            (None, [], [BID], [BID, BID], [{**BID, "bidId": "x"}], [{**BID, "revenue": "1"}], [5], 5)
        ),
        "skip": st.sampled_from((True, False, None, 1, "true")),
        "skipCode": st.sampled_from(("ads_disabled", "", None, 5)),
        "errCode": st.sampled_from(("e", "", None, 5)),
        "permanent": st.booleans(),
    },
)


@given(USUAL)
def test_an_answer_means_the_same_by_the_fast_way_and_field_by_field(body: dict[str, object]) -> None:
    """The usual ones are decoded in one go; what differs in anything is looked at more closely."""
    encoded = json.dumps(body).encode()
    assert judge_preload(200, encoded, ("inlineAd",)) == _judge_any(encoded, ("inlineAd",))


# --- /init ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({}, InitAnswer(enabled=True, preload_timeout_ms=None, report_errors=True, report_debug=False)),
        ({"enabled": True}, InitAnswer()),
        ({"enabled": False}, InitAnswer(enabled=False)),
        ({"reportErrors": False, "reportDebug": True}, InitAnswer(report_errors=False, report_debug=True)),
        ({"preloadTimeout": 8000}, InitAnswer(preload_timeout_ms=8000)),
        ({"enabled": True, "remoteLogLevel": "debug", "x": {}}, InitAnswer()),
        (
            {"enabled": False, "preloadTimeout": 12000, "reportErrors": False, "reportDebug": True},
            InitAnswer(enabled=False, preload_timeout_ms=12000, report_errors=False, report_debug=True),
        ),
    ],
)
def test_init_s_flags_are_read_and_missing_ones_have_defaults(body: object, read: InitAnswer) -> None:
    """
    All of them, those of an answer that disables too; other keys are ignored.

    (I-017, I-019, I-020, I-021, I-024, D-017)
    """
    assert judge_init(200, json.dumps(body).encode()) == read


@pytest.mark.parametrize("flag", ["enabled", "reportErrors", "reportDebug"])
@pytest.mark.parametrize("given", [None, "yes", "no", "true", "false", 0, 1, [], {}])
def test_only_a_real_boolean_flips_a_flag(flag: str, given: object) -> None:
    """Everything else is as if it were missing (I-022, D-018, #29)."""
    assert judge_init(200, json.dumps({flag: given}).encode()) == InitAnswer()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (1, 1), (9000, 9000), (9000.0, 9000), (3_600_000, 3_600_000), (3_600_001, None), (2**53 - 1, None),
        (0, None), (-1, None), (0.5, None), (9000.5, None), ("9000", None), (None, None), (True, None),
        ([9000], None), (1e300, None), (10**400, None),
    ],
)  # fmt: skip
def test_a_timeout_is_a_whole_number_above_zero(given: object, read: int | None) -> None:
    """A bad one leaves the default and costs no other flag (I-020, I-023, D-019, #29)."""
    answer = judge_init(200, json.dumps({"preloadTimeout": given, "enabled": False}).encode())
    assert answer == InitAnswer(enabled=False, preload_timeout_ms=read)
    assert answer is not None
    assert type(answer.preload_timeout_ms) in (int, type(None))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (204, b""),
        (200, b""),
        (200, b" \n"),
        (301, b'{"enabled": false}'),
        (404, b'{"enabled": false}'),
        (500, b"<html>"),
        (503, b'{"enabled": false}'),
    ],
)
def test_an_init_without_content_or_of_another_status_says_nothing(status: int, body: bytes) -> None:
    """The defaults stay, and the body of another status is not read (I-009, I-010, I-011, #62)."""
    assert judge_init(status, body) is None


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_an_object_is_an_answer(status: int) -> None:
    """201 works (I-008)."""
    assert judge_init(status, b'{"enabled": false}') == InitAnswer(enabled=False)


@pytest.mark.parametrize("body", [b"{", b"<html>", b"[]", b"null", b'"off"', b"\xff", b"[" * 100_000])
def test_an_init_that_is_no_object_is_undecodable(body: bytes) -> None:
    """Which is reported (I-012, D-016, E-016)."""
    with pytest.raises(UndecodableError, match=r"\w"):
        judge_init(200, body)


@given(st.integers(0, 999), st.one_of(st.binary(), ANSWERS.map(lambda body: json.dumps(body).encode())))
def test_an_init_is_an_answer_nothing_or_undecodable(status: int, body: bytes) -> None:
    """Nothing else, whatever the server sends (I-015)."""
    try:
        answer = judge_init(status, body)
    except UndecodableError:
        assert 200 <= status < 300
        return
    assert answer is None or (answer.preload_timeout_ms or 1) > 0


# --- Retry-After ------------------------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("Mon, 02 Mar 2026 08:15:20 GMT", 20.0),
        ("Mon, 02 Mar 2026 08:14:00 GMT", 0.0),
        ("Mon, 02 Mar 2026 09:15:20 +0100", 20.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("inf", None),
        ("Mon, 99 Mar 2026 08:15:20 GMT", None),
        ("Mon, 02 Mar 2026 08:15:20 +99999999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_moment(header: str, seconds: float | None) -> None:
    """A moment in the past is no pause; what cannot be read is as if it were not there (H-012)."""
    assert retry_after_s({"retry-after": header}, NOW) == seconds
    assert retry_after_s({}, NOW) is None


@given(st.text() | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,5} \d\d?:\d\d?:\d\d? [+-]?\w{1,30}"))
def test_any_header_gives_a_pause_or_none(header: str) -> None:
    """Never an error, never less than nothing."""
    seconds = retry_after_s({"retry-after": header}, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**6))
def test_a_moment_and_its_seconds_are_the_same_pause(seconds: int) -> None:
    """Both forms of the header."""
    moment = email.utils.format_datetime(NOW + dt.timedelta(seconds=seconds), usegmt=True)
    assert retry_after_s({"retry-after": moment}, NOW) == retry_after_s({"retry-after": str(seconds)}, NOW) == seconds
