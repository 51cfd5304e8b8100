from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kontext_rx.adserver import (
    CREATIVES,
    KINDS,
    Fixed,
    InvalidSettingError,
    Kind,
    Settings,
    Uniform,
    answers,
    decide,
)
from kontext_rx.adserver.decide import decide_init, scripted_bids

from .wire import turn


def outcome(settings: Settings, **of_turn: Any) -> str:
    answer = decide(settings, turn(**of_turn)).answer
    return "fill" if answer.fields().get("bids") else answer.fields().get("skipCode", str(answer.status))


def test_without_options_a_turn_fills() -> None:
    """With one bid for each enabled code, and the session id that a good answer always has."""
    decision = decide(Settings(), turn(codes=("inlineAd", "sidebar")))
    assert [bid["code"] for bid in decision.answer.json["bids"]] == ["inlineAd", "sidebar"]
    assert decision.answer.json["sessionId"]
    assert decision.answer.delay == 0.0


def test_the_same_seed_and_turn_decide_the_same() -> None:
    """All of it: answer, bids and delay. Another seed decides otherwise."""
    settings = Settings(seed=7, fill_rate=0.5, latency=Uniform(0.0, 1.0))
    assert [decide(settings, turn(number)) for number in range(20)] == [
        decide(settings, turn(number)) for number in range(20)
    ]
    other = Settings(seed=8, fill_rate=0.5, latency=Uniform(0.0, 1.0))
    assert decide(settings, turn()).answer.delay != decide(other, turn()).answer.delay


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_share_of_fills_is_the_fill_rate(rate: float) -> None:
    """Over many turns; the others skip with the code that was set."""
    outcomes = [outcome(Settings(fill_rate=rate, skip_code="no_inventory"), number=number) for number in range(1_000)]
    assert set(outcomes) <= {"fill", "no_inventory"}
    assert outcomes.count("fill") / 1_000 == pytest.approx(rate, abs=0.04)


def test_every_nth_turn_fills() -> None:
    """The third, the sixth, ...; the others skip with the pacing code."""
    settings = Settings(every=3, pacing_skip_code="too_soon")
    assert [outcome(settings, number=number) for number in range(1, 7)] == [
        "too_soon",
        "too_soon",
        "fill",
        "too_soon",
        "too_soon",
        "fill",
    ]


def test_a_user_over_the_frequency_cap_gets_no_more() -> None:
    """At the cap the code is `frequency_cap`; a cap of zero never fills."""
    assert [outcome(Settings(frequency_cap=2), ads=ads) for ads in (0, 1, 2, 3)] == [
        "fill",
        "fill",
        "frequency_cap",
        "frequency_cap",
    ]
    assert outcome(Settings(frequency_cap=0)) == "frequency_cap"


def test_a_turn_that_is_only_tracked_gets_no_ad() -> None:
    """It skips with `ads_disabled`, unless the server is told to fill it."""
    assert outcome(Settings(), track_only=True) == "ads_disabled"
    assert outcome(Settings(fill_track_only=True), track_only=True) == "fill"


def test_a_disabled_server_skips() -> None:
    """A preload may be under way before /init is heard."""
    assert outcome(Settings(enabled=False)) == "session_disabled"


def test_an_error_code_is_answered_to_every_turn() -> None:
    """With `permanent` only when asked for; `permanent` alone has no code."""
    assert decide(Settings(err_code="geo_blocked"), turn()).answer.json["errCode"] == "geo_blocked"
    assert "permanent" not in decide(Settings(err_code="geo_blocked"), turn()).answer.json
    both = decide(Settings(err_code="geo_blocked", permanent=True), turn()).answer.json
    assert (both["errCode"], both["permanent"]) == ("geo_blocked", True)
    alone = decide(Settings(permanent=True), turn()).answer.json
    assert "errCode" not in alone
    assert alone["permanent"] is True


@pytest.mark.parametrize(
    ("setting", "status", "fault"),
    [
        ("error_rate", 503, None),
        ("rate_limit_rate", 429, None),
        ("no_content_rate", 204, None),
        ("malformed_rate", 200, None),
        ("half_sent_rate", 200, "half-sent"),
        ("reset_rate", 200, "reset"),
        ("hang_rate", 200, "hang"),
    ],
)
def test_each_rate_breaks_its_share_of_the_answers(setting: str, status: int, fault: str | None) -> None:
    """At 1 all of them, at 0.25 a quarter."""
    shares: dict[str, Any] = {"always": {setting: 1.0}, "quarter": {setting: 0.25}}
    always = decide(Settings(**shares["always"]), turn()).answer
    assert (always.status, always.fault) == (status, fault)
    whole = decide(Settings(), turn()).answer.status
    quarter = Settings(**shares["quarter"])
    broken = [decide(quarter, turn(number)).answer for number in range(1_000)]
    hit = sum((one.status, one.fault, one.body) != (whole, None, None) for one in broken)
    assert hit / 1_000 == pytest.approx(0.25, abs=0.04)


def test_rates_share_one_draw() -> None:
    """So two of them at a half each leave no answer whole."""
    settings = Settings(error_rate=0.5, no_content_rate=0.5)
    assert {decide(settings, turn(number)).answer.status for number in range(50)} == {503, 204}


def test_the_error_status_and_the_pause_can_be_set() -> None:
    """`Retry-After` is in seconds, and can be left out."""
    assert decide(Settings(error_rate=1, error_status=418), turn()).answer.status == 418
    assert decide(Settings(rate_limit_rate=1, retry_after=2.0), turn()).answer.headers == {"Retry-After": "2"}
    assert decide(Settings(rate_limit_rate=1, retry_after=None), turn()).answer.headers == {}


def test_a_retry_may_succeed_where_the_turn_failed() -> None:
    """What breaks is drawn for each attempt."""
    settings = Settings(error_rate=0.5)
    statuses = {decide(settings, turn(attempt=attempt)).answer.status for attempt in range(20)}
    assert statuses == {200, 503}


def test_a_retry_does_not_change_whether_or_with_what_a_turn_is_filled() -> None:
    """Only its bid ids are new, for they are unique to a request."""
    settings = Settings(fill_rate=0.5)
    for number in range(10):
        first, second = decide(settings, turn(number)), decide(settings, turn(number, attempt=1))
        assert [bid.creative for bid in first.bids] == [bid.creative for bid in second.bids]
        assert {bid.bid_id for bid in first.bids}.isdisjoint(bid.bid_id for bid in second.bids)


def test_a_session_id_that_is_known_is_given_back() -> None:
    """Without one it is drawn, always the same for a conversation, another for another."""
    known = "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"
    assert decide(Settings(), turn(session_id=known)).answer.json["sessionId"] == known
    drawn = [decide(Settings(), turn(number)).answer.json["sessionId"] for number in (1, 2)]
    assert drawn[0] == drawn[1] != decide(Settings(), turn(conversation="other")).answer.json["sessionId"]


def test_a_skip_carries_the_session_id_too() -> None:
    """It is a good answer, and must not look like an error."""
    assert decide(Settings(fill_rate=0), turn()).answer.json["sessionId"]


def test_a_bid_is_what_older_and_newer_sdks_read() -> None:
    """`value` is `revenue` under its old name; a video is measured as one, a modal counts once it opens."""
    (film,) = decide(Settings(), turn(contents=("a movie?",))).answer.json["bids"]
    assert film["value"] == film["revenue"] > 0
    assert film["om"] == {"creativeType": "video"}
    assert film["impressionTrigger"] == "immediate"
    (modal,) = decide(Settings(), turn(contents=("a vacation?",))).answer.json["bids"]
    assert modal["om"] == {"creativeType": "display"}
    assert modal["impressionTrigger"] == "component"


def test_init_is_answered_as_the_settings_say() -> None:
    """`preloadTimeout` is left out unless it is set; the latency of /init is its own."""
    assert decide_init(Settings(), "u", "i").answer.json == {
        "enabled": True,
        "reportErrors": True,
        "reportDebug": False,
    }
    told = Settings(
        enabled=False, preload_timeout_ms=9_000, report_errors=False, report_debug=True, init_latency=Fixed(0.3)
    )
    assert decide_init(told, "u", "i").answer.json == {
        "enabled": False,
        "preloadTimeout": 9_000,
        "reportErrors": False,
        "reportDebug": True,
    }
    assert decide_init(told, "u", "i").answer.delay == 0.3
    assert decide(told, turn()).answer.delay == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_kinds_asked_for_are_offered(kind: Kind) -> None:
    """Whatever the conversation is about, and where nothing fits too."""
    settings = Settings(kinds=(kind,))
    for text in ("a good movie", "dinner", "lorem ipsum"):
        asked = turn(contents=(text,), codes=("inlineAd", "sidebar"))
        assert [bid.creative.kind for bid in decide(settings, asked).bids] == [kind, kind]


def test_kinds_that_no_creative_has_are_an_error() -> None:
    """The message names the setting, and nothing of another kind is shown instead."""
    texts = [creative for creative in CREATIVES if creative.kind == "text"]
    with pytest.raises(InvalidSettingError, match=r"kinds=.*no creative"):
        decide(Settings(kinds=("video",)), turn(), texts)


def test_a_bid_that_a_script_wrote_gets_a_creative() -> None:
    """By its id, always the same; in lower case, as addresses have it; with its own revenue where it has one."""
    wire = {"bidId": "0B7D1C1E-55AA-4A0F-8D2F-1A2B3C4D5E6F", "code": "inlineAd"}
    (plain,) = scripted_bids(Settings(), answers.fill(wire))
    (dear,) = scripted_bids(Settings(), answers.fill({**wire, "revenue": 2}))
    assert (plain.bid_id, plain.code) == (wire["bidId"].lower(), "inlineAd")
    assert plain.creative.topic == "generic"
    assert dear.creative == msgspec.structs.replace(plain.creative, revenue=2)


NO_BIDS: list[Any] = [
    None,
    "{bids}",
    7,
    [None],
    ["x"],
    [{}],
    [{"bidId": "", "code": "inlineAd"}],
    [{"bidId": "x"}],
    [{"bidId": 1, "code": 2}],
]


@pytest.mark.parametrize("bids", NO_BIDS)
def test_a_script_may_be_wrong_on_purpose(bids: object) -> None:
    """What is no bid gets no creative, and is sent as it is."""
    assert scripted_bids(Settings(), answers.Answer(json={"bids": bids})) == ()
    odd = {"bidId": "x", "code": "inlineAd", "revenue": float("inf")}
    (bid,) = scripted_bids(Settings(), answers.fill(odd))
    assert bid.creative.revenue < 1
