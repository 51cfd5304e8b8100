"""
The session API as bytes: what `/init`, `/preload`, `/error` and `/debug` are sent, and how an answer is judged.

Pure functions over values. camelCase and milliseconds end here.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeGuard, cast
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .context import ClientContext, Screen, read_user_agent
from .message import Message, is_sendable, plain
from .options import Consent, Options, Regulatory

__all__ = [
    "Bid",
    "Envelope",
    "Failed",
    "Fill",
    "InitAnswer",
    "PreloadAnswer",
    "Skip",
    "debug_body",
    "encode_message",
    "envelope",
    "error_body",
    "frame_url",
    "init_body",
    "judge_init",
    "judge_preload",
]

NO_CONTENT: Final = 204

JSON_TYPE: Final = {"Content-Type": "application/json"}


@functools.lru_cache
def token_headers(token: str) -> Mapping[str, str]:
    """The headers of `/init`."""
    return MappingProxyType({**JSON_TYPE, "Kontextso-Publisher-Token": token})


@functools.lru_cache
def preload_headers(token: str, *, track_only: bool) -> Mapping[str, str]:
    """The headers of `/preload`; `Kontextso-Is-Disabled` speaks of this turn, not of the session."""
    return MappingProxyType({**token_headers(token), "Kontextso-Is-Disabled": "1" if track_only else "0"})


# --- requests ---------------------------------------------------------------------------------------------------


class _WireMessage(msgspec.Struct, rename="camel"):
    id: str
    role: str
    content: str
    created_at: str


class _Sdk(msgspec.Struct):
    name: str
    platform: str
    version: str


class _App(msgspec.Struct, rename="camel", kw_only=True):
    bundle_id: str
    version: str
    first_install_time: int | UnsetType = UNSET
    last_update_time: int | UnsetType = UNSET
    start_time: int | UnsetType = UNSET
    store_url: str | UnsetType = UNSET


class _InitBody(msgspec.Struct, rename="camel"):
    publisher_token: str
    user_id: str
    install_id: str
    sdk: _Sdk
    app: _App


class _Character(msgspec.Struct, rename="camel", kw_only=True):
    id: str
    name: str
    avatar_url: str
    greeting: str | UnsetType = UNSET
    persona: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    is_nsfw: bool | UnsetType = UNSET


class _Regulatory(msgspec.Struct, rename="camel", kw_only=True):
    gdpr: int | UnsetType = UNSET
    gdpr_consent: str | UnsetType = UNSET
    coppa: int | UnsetType = UNSET
    gpp: str | UnsetType = UNSET
    gpp_sid: tuple[int, ...] | UnsetType = UNSET
    us_privacy: str | UnsetType = UNSET


class _Hardware(msgspec.Struct, kw_only=True):
    type: str
    brand: str | UnsetType = UNSET
    model: str | UnsetType = UNSET


class _Os(msgspec.Struct):
    name: str
    version: str
    locale: str
    timezone: str


class _Screen(msgspec.Struct, rename="camel", kw_only=True):
    width: int
    height: int
    dpr: float
    dark_mode: bool
    orientation: str | UnsetType = UNSET
    brightness: float | UnsetType = UNSET


class _Network(msgspec.Struct, rename="camel", kw_only=True):
    type: str | UnsetType = UNSET
    carrier: str | UnsetType = UNSET
    user_agent: str | UnsetType = UNSET


class Device(msgspec.Struct, kw_only=True):
    """The `device` object, ready to encode."""

    hardware: _Hardware
    os: _Os
    screen: _Screen
    network: _Network | UnsetType = UNSET


class _PreloadBody(msgspec.Struct, rename="camel", kw_only=True):
    publisher_token: str
    user_id: str
    install_id: str
    conversation_id: str
    enabled_placement_codes: tuple[str, ...]
    messages: list[Raw]
    sdk: _Sdk
    device: Device
    app: _App
    session_id: str | UnsetType = UNSET
    character: _Character | UnsetType = UNSET
    regulatory: _Regulatory | UnsetType = UNSET
    user_email: str | UnsetType = UNSET
    variant_id: str | UnsetType = UNSET
    advertising_id: str | UnsetType = UNSET
    vendor_id: str | UnsetType = UNSET


class _Facts(msgspec.Struct, rename="camel", kw_only=True):
    publisher_token: str | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    install_id: str | UnsetType = UNSET
    bid_id: str | UnsetType = UNSET
    session_id: str | UnsetType = UNSET
    sdk: _Sdk


class _ErrorBody(msgspec.Struct, rename="camel", kw_only=True):
    error: str
    stack: str | UnsetType = UNSET
    additional_data: _Facts


class _DebugBody(msgspec.Struct, rename="camel", kw_only=True):
    name: str
    data: str | UnsetType = UNSET
    additional_data: _Facts


_encode = msgspec.json.Encoder().encode

STACK_LIMIT: Final = 4096
"""Characters of a stack trace that are sent. Source: ours."""


def timestamp(moment: dt.datetime) -> str:
    """*moment* in UTC with exactly three fraction digits, cut and not rounded, and a Z."""
    if type(moment) is not dt.datetime or moment.tzinfo is not dt.UTC:  # another zone, or a library's own kind
        return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    # A sixth of what that takes: "...T08:15:00.123456Z", in quotes, and without a fraction where there is none.
    text = _encode(moment)
    return (text[1:24] if moment.microsecond else text[1:20] + b".000").decode() + "Z"


def encode_message(message: Message) -> bytes:
    """One message as JSON; encoded once, spliced into every request that carries it."""
    wired = _WireMessage(message.id, message.role, message.content, timestamp(message.created_at))
    try:
        return _encode(wired)
    except UnicodeEncodeError:  # half an emoji, as a cut stream leaves it: escaped, it goes out as it is
        return json.dumps(msgspec.to_builtins(wired)).encode()


def init_body(options: Options, install_id: str) -> bytes:
    """The body of `POST /init`."""
    app = _App(bundle_id=options.app.bundle_id, version=options.app.version)
    return _encode(_InitBody(options.publisher_token, options.user_id, install_id, _sdk(options), app))


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The body of `POST /preload` but for its messages: the same from turn to turn, until an option changes."""

    before: bytes
    after: bytes

    def around(self, messages: Sequence[bytes]) -> bytes:
        """The whole body, with these messages."""
        parts = [*messages] or [b""]
        parts[0] = self.before + parts[0]  # and not around the whole, which would copy it once more
        parts[-1] += self.after
        return b",".join(parts)


_NO_MESSAGES: Final = b'"messages":['
"""Nowhere else in a body: in a text its quotes would be escaped."""


def envelope(
    options: Options, *, install_id: str, session_id: str | None, consent: Consent | None, process: Device
) -> Envelope:
    """What goes around the messages; *process* is the device to describe when there is no `ClientContext`."""
    before, bracket, after = _encode(
        _PreloadBody(
            publisher_token=options.publisher_token,
            user_id=options.user_id,
            install_id=install_id,
            conversation_id=options.conversation_id,
            enabled_placement_codes=options.enabled_placement_codes,
            messages=[],
            sdk=_sdk(options),
            device=process if options.context is None else device_of(options.context),
            app=_App(**_present(options.app)),
            session_id=_given(session_id),
            character=UNSET if options.character is None else _Character(**_present(options.character)),
            regulatory=_regulatory(options.regulatory, consent),
            user_email=_unless_blank(options.user_email),
            variant_id=_unless_blank(options.variant_id),
            advertising_id=_unless_zero(options.advertising_id),
            vendor_id=_unless_zero(options.vendor_id),
        )
    ).partition(_NO_MESSAGES)
    return Envelope(before + bracket, after)


def error_body(
    options: Options, install_id: str, error: str, stack: str | None = None, bid_id: str | None = None
) -> bytes:
    """The body of `POST /error`; *stack* is a trace, or the label of the source in its place."""
    facts = _facts(options, install_id, bid_id=_given(bid_id))
    trace = UNSET if stack is None else _clean(stack[-STACK_LIMIT:])
    return _encode(_ErrorBody(error=_clean(error), stack=trace, additional_data=facts))


def debug_body(options: Options, install_id: str, name: str, data: object, session_id: str | None) -> bytes:
    """The body of `POST /debug`; *data* becomes text: JSON of a map or list, the bare text of a scalar."""
    facts = _facts(options, install_id, session_id=_given(session_id))
    text = UNSET if data is None else _clean(debug_text(data))
    return _encode(_DebugBody(name=name, data=text, additional_data=facts))


def debug_text(data: object) -> str:
    """*data* as `/debug` takes it."""
    if isinstance(data, dict | list | tuple):
        return json.dumps(data, default=str, ensure_ascii=False, separators=(",", ":"))
    if isinstance(data, bool):
        return "true" if data else "false"
    return str(data)


def _clean(text: str) -> str:
    """*text* of whatever origin (an exception, a line of source), as UTF-8 can carry it."""
    return text.encode("utf-8", "replace").decode()


def process_device(system: str, version: str) -> Device:
    """This process's own operating system, and nothing that it does not know of the user."""
    return Device(
        hardware=_Hardware(type="other"),
        os=_Os(system or "unknown", version or "unknown", "und", "Etc/UTC"),
        screen=_Screen(width=0, height=0, dpr=1.0, dark_mode=False),
    )


def device_of(context: ClientContext) -> Device:
    """The end user's device as *context* tells it; what the server requires and nobody knows is said to be unknown."""
    system, version, hardware = read_user_agent(context.user_agent or "")
    if context.os_name is not None:
        system, version = context.os_name.lower(), version if context.os_name.lower() == system else None
    screen = context.screen or Screen()
    network = _Network(
        type=_given(context.network_type), carrier=_given(context.carrier), user_agent=_unless_blank(context.user_agent)
    )
    return Device(
        hardware=_Hardware(
            type=context.hardware_type or hardware or "other", brand=_given(context.brand), model=_given(context.model)
        ),
        os=_Os(
            system or "unknown",
            context.os_version or version or "unknown",
            (context.locale or "und").replace("_", "-"),
            context.timezone or "Etc/UTC",
        ),
        screen=_Screen(
            width=screen.width,
            height=screen.height,
            dpr=float(screen.dpr),
            dark_mode=screen.dark_mode,
            orientation=_given(screen.orientation),
            brightness=UNSET if screen.brightness is None else float(screen.brightness),
        ),
        network=UNSET if network == _Network() else network,
    )


def _sdk(options: Options) -> _Sdk:
    return _Sdk(options.sdk.name, options.sdk.platform, options.sdk.version)


def _facts(options: Options, install_id: str, **more: str | UnsetType) -> _Facts:
    return _Facts(
        publisher_token=options.publisher_token,
        conversation_id=options.conversation_id,
        user_id=options.user_id,
        install_id=install_id,
        sdk=_sdk(options),
        **more,
    )


def _regulatory(own: Regulatory | None, consent: Consent | None) -> _Regulatory | UnsetType:
    fields = {} if own is None else _present(own)
    if consent is not None:
        if (gdpr := consent_flag(consent.gdpr)) is not None:
            fields["gdpr"] = gdpr
        if (text := _consent_text(consent.gdpr_consent)) is not None:
            fields["gdpr_consent"] = text
    return _Regulatory(**fields) if fields else UNSET


def consent_flag(given: object) -> Literal[0, 1] | None:
    """`gdpr` as consent platforms store it: an int, a bool or a digit; anything but 0 and 1 counts as absent."""
    match given:
        case "0":
            return 0
        case "1":
            return 1
        case int() if given in (0, 1):
            return 1 if given else 0
        case _:
            return None


def _consent_text(given: object) -> str | None:
    # A provider is the app's code: what it gives is no more checked than what a consent platform stores.
    return plain(given) if isinstance(given, str) and given.strip() and is_sendable(given) else None


def _present(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name in struct.__struct_fields__ if (value := getattr(struct, name)) is not None}


def _given(value: Any) -> Any:
    return UNSET if value is None else value


def _unless_blank(text: str | None) -> str | UnsetType:
    return text if text is not None and text.strip() else UNSET


def _unless_zero(device_id: str | None) -> str | UnsetType:
    known = device_id is not None and device_id.replace("-", "").strip().strip("0")
    return cast(str, device_id) if known else UNSET


# --- answers ----------------------------------------------------------------------------------------------------


class Bid(msgspec.Struct, frozen=True, gc=False):
    """One ad that won: shown under a reply in the placement `code`."""

    bid_id: str
    code: str
    revenue: float | None = None
    impression_trigger: Literal["immediate", "component"] = "immediate"
    creative_type: Literal["display", "video"] | None = None


class Fill(msgspec.Struct, frozen=True, gc=False):
    """The first bid for each enabled placement, in the server's order."""

    bids: tuple[Bid, ...]
    session_id: str
    sent: int = 0
    """How many messages there were when the request went out: the creative was made for the last of them."""


class Skip(msgspec.Struct, frozen=True, gc=False):
    """No ad, deliberately or for want of one."""

    skip_code: str
    session_id: str | None = None
    note: str = "ad-generation-skipped"
    """The name under which it is recorded."""


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The request or its answer failed. `permanent` disables the session, `report` sends it to `/error`."""

    message: str
    err_code: str
    session_id: str | None = None
    permanent: bool = False
    report: bool = False
    status: int | None = None


PreloadAnswer: TypeAlias = Fill | Skip | Failed


class InitAnswer(msgspec.Struct, frozen=True, gc=False):
    """What the server decides about a session."""

    enabled: bool = True
    preload_timeout_ms: int | None = None
    report_errors: bool = True
    report_debug: bool = False


LONGEST_TIMEOUT_MS: Final = 3_600_000
"""Milliseconds; a `preloadTimeout` beyond an hour is no timeout and counts as absent. Source: ours."""


@functools.lru_cache
def _same(enabled: bool, preload_timeout_ms: int | None, report_errors: bool, report_debug: bool) -> InitAnswer:
    """One object for all answers that say the same: nearly all do."""
    return InitAnswer(enabled, preload_timeout_ms, report_errors, report_debug)


class UndecodableError(Exception):
    """A 2xx whose body is not what it should be."""


def judge_preload(status: int, body: bytes, enabled: tuple[str, ...]) -> PreloadAnswer:
    """What a `/preload` answer means; *enabled* are the placements an ad is wanted for. It never raises."""
    if status == NO_CONTENT:
        return Skip("unfilled_bid", note="no-content")
    if not 200 <= status < 300:
        return Failed(f"HTTP {status}", "request_failed", status=status)
    try:
        usual = _decode_usual(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _judge_any(body, enabled)
    if usual.err_code is not UNSET or not _UUID.fullmatch(usual.session_id):
        return _judge_any(body, enabled)
    bids: list[Bid] = []
    for one in usual.bids:
        if not _UUID.fullmatch(one.bid_id) or (type(one.revenue) is int and not _is_number(one.revenue)):
            return _judge_any(body, enabled)
        creative = one.creative_type if one.om is None or one.om.creative_type is None else one.om.creative_type
        bids.append(_bid_of(one.bid_id, one.code, one.revenue, one.impression_trigger, creative))
    session_id = usual.session_id.lower()
    return Skip(usual.skip_code or "unknown", session_id) if usual.skip else _fill(bids, session_id, enabled)


class _Om(msgspec.Struct, rename="camel", gc=False):
    creative_type: str | None = None


class _UsualBid(msgspec.Struct, rename="camel", gc=False):
    bid_id: str
    code: str
    revenue: int | float | None = None
    impression_trigger: str | None = None
    creative_type: str | None = None
    om: _Om | None = None


class _Usual(msgspec.Struct, rename="camel"):
    """Ads, or a skip, as nearly all answers are; one that differs in anything is read field by field."""

    session_id: str
    bids: tuple[_UsualBid, ...] = ()
    skip: bool = False
    skip_code: str | None = None
    err_code: Raw | UnsetType = UNSET


_decode_usual: Final = msgspec.json.Decoder(_Usual).decode


def _judge_any(body: bytes, enabled: tuple[str, ...]) -> PreloadAnswer:
    """What a body means, whatever is in it."""
    if not body.strip():
        return Skip("unfilled_bid", note="no-content")
    try:
        answer = _object(body)
        session_id = _uuid(answer.get("sessionId"), "sessionId", required=False)
        bids = _bids(answer.get("bids"))
    except UndecodableError as error:
        return lost(str(error))
    err_code = answer.get("errCode")
    if isinstance(err_code, str) or session_id is None:
        code = err_code if isinstance(err_code, str) and err_code else None
        if answer.get("permanent") is True:
            return Failed("Session is disabled", code or "session_disabled", session_id, permanent=True)
        return Failed("Ad generation skipped", code or "unknown", session_id)
    if answer.get("skip") is True:
        skip_code = answer.get("skipCode")
        return Skip(skip_code if isinstance(skip_code, str) and skip_code else "unknown", session_id)
    return _fill(bids, session_id, enabled)


def _fill(bids: Iterable[Bid], session_id: str, enabled: tuple[str, ...]) -> PreloadAnswer:
    kept: dict[str, Bid] = {}
    for bid in bids:
        if bid.code in enabled and bid.code not in kept:
            kept[bid.code] = bid
    if not kept:
        return Skip("unfilled_bid", session_id, "no-bids-for-placement-codes")
    return Fill(tuple(kept.values()), session_id)


def lost(why: str) -> Failed:
    """The failure of a request that brought no usable answer: it is reported."""
    return Failed(f"Error preloading ads: {why}", "request_failed", report=True)


def judge_init(status: int, body: bytes) -> InitAnswer | None:
    """What an `/init` answer says; None when it says nothing. Raises `UndecodableError` for a 2xx that is no object."""
    if not 200 <= status < 300 or status == NO_CONTENT or not body.strip():
        return None
    answer = _object(body)
    timeout = answer.get("preloadTimeout")
    return _same(
        enabled=_flag(answer.get("enabled"), default=True),
        preload_timeout_ms=int(timeout) if _is_whole(timeout) and 0 < timeout <= LONGEST_TIMEOUT_MS else None,
        report_errors=_flag(answer.get("reportErrors"), default=True),
        report_debug=_flag(answer.get("reportDebug"), default=False),
    )


def _object(body: bytes) -> dict[str, Any]:
    answer: object
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        try:  # a number beyond every float, half an emoji: one bad value must not cost the answer
            answer = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise UndecodableError(str(error) or type(error).__name__) from None
    if not isinstance(answer, dict):
        raise UndecodableError("the answer is not a JSON object")
    return cast(dict[str, Any], answer)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _bids(given: object) -> list[Bid]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise UndecodableError("`bids` is not a list")
    return [_bid(one) for one in cast(list[object], given)]


def _bid(given: object) -> Bid:
    if not isinstance(given, dict):
        raise UndecodableError("a bid is not an object")
    fields = cast(dict[str, object], given)
    code, revenue, om = fields.get("code"), fields.get("revenue"), fields.get("om")
    if not isinstance(code, str):
        raise UndecodableError("a bid has no `code`")
    creative = cast(dict[str, object], om).get("creativeType") if isinstance(om, dict) else None
    if creative is None:
        creative = fields.get("creativeType")
    bid_id = _uuid(fields.get("bidId"), "bidId", required=True)
    worth = revenue if _is_number(revenue) else None
    return _bid_of(bid_id, code, worth, fields.get("impressionTrigger"), creative)


def _bid_of(bid_id: str, code: str, revenue: float | None, trigger: object, creative: object) -> Bid:
    return Bid(
        bid_id.lower(),
        code,
        revenue,
        "component" if trigger == "component" else "immediate",
        creative if creative in ("display", "video") else None,
    )


_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def is_uuid(text: object) -> bool:
    """Whether *text* is a UUID in the 8-4-4-4-12 form, whatever its version and case."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def _uuid(given: object, name: str, *, required: bool) -> Any:
    if given is None and not required:
        return None
    if not is_uuid(given):
        raise UndecodableError(f"`{name}` is not a UUID")
    return cast(str, given).lower()


def _flag(given: object, *, default: bool) -> bool:
    return given if isinstance(given, bool) else default


def _is_number(given: object) -> TypeGuard[float]:
    # Compared and not converted: JSON has integers that are too large for a float.
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= sys.float_info.max


def _is_whole(given: object) -> TypeGuard[float]:
    return _is_number(given) and given == int(given)


def retry_after_s(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """The pause that `Retry-After` asks for, in seconds from *now*; None without a readable one."""
    from email.utils import parsedate_to_datetime

    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


# --- addresses --------------------------------------------------------------------------------------------------


def frame_url(server: str, bid_id: str, *, code: str, message_id: str, sdk: str, theme: str | None) -> str:
    """The address of an inline frame; every value is percent-encoded, the theme only there when set."""
    query = f"code={_quoted(code)}&messageId={_quoted(message_id)}&sdk={_quoted(sdk)}"
    return f"{server}/api/frame/{bid_id.lower()}?{query}" + (f"&theme={_quoted(theme)}" if theme else "")


_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~-]*")  # Source: RFC 3986, section 2.3


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def modal_url(inline: str) -> str:
    """The address of an ad's modal, without parameters of the component, by that of its inline frame."""
    return inline.replace("/api/frame/", "/api/modal/", 1)


def update_data(
    messages: Iterable[Message], *, code: str, message_id: str, sdk: str, theme: str | None
) -> dict[str, Any]:
    """The data of `update-iframe`: what a frame is told when it is there."""
    return {
        "code": code,
        "sdk": sdk,
        "messageId": message_id,
        "otherParams": {"theme": theme} if theme else {},
        "messages": [
            {"id": one.id, "role": one.role, "content": one.content, "createdAt": timestamp(one.created_at)}
            for one in messages
        ],
    }


def canonical_origin(address: str) -> str:
    """Scheme and host in lower case, and the port unless it is the scheme's own: what a browser calls the origin."""
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    return f"{parts.scheme.lower()}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def click_url(server: str, url: str) -> str:
    """Where a click leads: an address that begins with one slash is the server's, every other passes as it is."""
    return server + url if url.startswith("/") and not url.startswith("//") else url
