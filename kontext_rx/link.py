"""A session's side of the session API: `/init`, `/preload` and the reports, and what the server has decided."""

from __future__ import annotations

import functools
import platform
import traceback
from typing import Final, Literal

import msgspec
from reactivex.abc import DisposableBase, SchedulerBase

from . import wire
from .backend import Backend
from .event import AdError
from .exchange import Arrival, Exchange, Lost, Retry
from .gate import Gate
from .history import History
from .log import logger
from .options import Consent, ConsentProvider, Options, consent_of
from .outlet import Outlet
from .pairing import Answered, Ending, Silent
from .preload import PacedTurn, Request, Switch
from .telemetry import Telemetry
from .trace import DebugEvent, PreloadStep
from .typing import HttpRequest, HttpResponse, Transport
from .wire import Envelope, Failed, Fill, InitAnswer, Skip

__all__ = ["DEFAULT_TIMEOUT_MS", "ServerLink"]

DEFAULT_TIMEOUT_MS: Final = 16_000
"""Milliseconds an attempt at `/init` or `/preload` may take. Source: the official SDKs."""


class ServerLink:
    """
    Turns into requests, answers into endings; the flags of `/init`, the session id, the reports.

    Nothing here raises into the session: what goes wrong is an ending, a debug event, a report.
    """

    __slots__ = (
        "_backend",
        "_consent",
        "_history",
        "_init",
        "_install_id",
        "_outlet",
        "_reports_errors",
        "_sealed",
        "_send",
        "_telemetry",
        "disabled",
        "door",
        "init",
        "newest",
        "options",
        "requests",
        "session_id",
        "timeout_ms",
    )

    def __init__(
        self,
        options: Options,
        *,
        install_id: str,
        backend: Backend | None,
        history: History,
        outlet: Outlet,
        consent: ConsentProvider | None,
    ) -> None:
        self.options = options
        self.session_id: str | None = None
        self.timeout_ms = DEFAULT_TIMEOUT_MS
        self.disabled = backend is None
        self._install_id, self._backend = install_id, backend
        self._send = None if backend is None else backend.transport
        self.requests = 0
        """How many were sent, reports not counted."""
        self._history, self._outlet, self._consent = history, outlet, consent
        self.door = outlet.door
        """The session's."""
        self.newest: str | None = None
        """The newest user message; None at the end."""
        self._reports_errors = True
        self._sealed: _Sealed | None = None
        self._init: DisposableBase | None = None
        self.init: InitAnswer | None = None
        """What `/init` said, the defaults where it said nothing; None until then."""
        self._telemetry: Telemetry | None = None

    # --- /init ---

    def open(self) -> None:
        """Ask the server what it has decided, in the background; a preload does not wait for it."""
        if self._send is None:
            return
        request = HttpRequest(
            f"{self.options.ad_server_url}/init",
            wire.token_headers(self.options.publisher_token),
            wire.init_body(self.options, self._install_id),
        )
        self._outlet.debug("Init: start")
        self._init = init = _Init(self._send, request, self)
        init.attempt()

    def opened(self, result: HttpResponse | Lost) -> None:
        """`/init` was answered, or lost."""
        self._init = None
        self.init = InitAnswer()
        with self._outlet.door:
            try:
                answer = self._read_init(result)
            except wire.UndecodableError as error:
                self._outlet.debug("Init: error", error=str(error))
                logger().warning("init failed, the defaults stay", reason=str(error))
                self._post_error(str(error), "Init.fetch")
                return
            if answer is not None:
                self._outlet.debug("Init: response", **msgspec.to_builtins(answer))
                self._apply(answer)

    def _read_init(self, result: HttpResponse | Lost) -> InitAnswer | None:
        if isinstance(result, Lost):
            raise wire.UndecodableError(result.why)
        answer = wire.judge_init(result.status, result.body)
        if answer is None:
            refused = not 200 <= result.status < 300
            name = "non-ok" if refused else "no-content" if result.status == wire.NO_CONTENT else "empty-body"
            self._outlet.debug(f"Init: {name}", status=result.status)
        return answer

    def _apply(self, answer: InitAnswer) -> None:
        """Take the flags; those of an answer that disables the session count too."""
        self.init = answer
        self._reports_errors = answer.report_errors
        self._outlet.forward(self._post_debug if answer.report_debug else None)
        self._outlet.debug(
            "Init: reporting-applied", reportErrors=answer.report_errors, reportDebug=answer.report_debug
        )
        if answer.preload_timeout_ms is not None:
            self.timeout_ms = answer.preload_timeout_ms
            self._outlet.debug("Init: preload-timeout-updated", timeoutMs=answer.preload_timeout_ms)
        if not answer.enabled:
            self.disabled = True
            self._outlet.debug("Init: disabled")
            self._outlet.emit(
                AdError(
                    message="Session is disabled", err_code="session_disabled_by_init", at=self._outlet.door.instant
                )
            )

    # --- /preload ---

    def request(self, paced: PacedTurn, switch: Switch) -> Request | None:
        """
        What a settled turn is sent with, and *switch* told of; None when something newer was said. It does not raise.

        What it is let go for is `newest`, the user message that is the newest then.
        """
        message_id, outlet = paced.submitted.message.id, self._outlet
        at = outlet.door.instant
        if self.disabled or self._send is None or self._backend is None:
            outlet.step(PreloadStep(name="cancelled", user_message_id=message_id, at=at, reason="session_disabled"))
            outlet.debug("Session: preload-skipped-disabled", messageId=message_id)
            return _Declined(switch, Answered(message_id, Silent("session_disabled"), at))
        try:
            request = self._preload_request(paced.track_only)
        except Exception as error:
            self._backend.tally.internal_errors += 1
            outlet.report(error, "preload")
            failed = wire.lost(type(error).__name__)
            self._resolve(message_id, "error", failed.err_code)
            return _Declined(switch, Answered(message_id, failed, at))
        if self.newest != message_id:  # the consent provider has said something: that is newer
            return None
        return _Preload(
            self._send,
            request,
            self,
            self._backend.gate,
            paced,
            switch,
            self._history.count,
            reports=self._reports_errors,
        )

    def sent(self, paced: PacedTurn) -> None:
        """A turn goes out."""
        outlet, message_id = self._outlet, paced.submitted.message.id
        outlet.step(
            PreloadStep(
                name="sent",
                user_message_id=message_id,
                at=outlet.door.instant,
                track_only=paced.track_only,
                reason=paced.reason,
            )
        )
        if outlet.is_debugged:
            outlet.debug("Preload: request-ad-start", messageId=message_id, timeoutMs=self.timeout_ms)

    def retried(self, paced: PacedTurn, retry: Retry) -> None:
        """Another attempt follows."""
        self._outlet.step(
            PreloadStep(
                name="retried",
                user_message_id=paced.submitted.message.id,
                at=self._outlet.door.instant,
                attempt=retry.attempt,
                delay_s=retry.delay_s,
                reason=retry.why,
            )
        )

    def let_go(self, paced: PacedTurn) -> None:
        """A request was let go before it was answered."""
        message_id, newer = paced.submitted.message.id, self.newest
        if self._backend is not None:
            self._backend.tally.cancelled += 1
        self._outlet.step(
            PreloadStep(
                name="cancelled",
                user_message_id=message_id,
                at=self._outlet.door.instant,
                by=newer,
                reason="session_destroyed" if newer is None else None,
            )
        )
        if self._outlet.is_debugged:
            self._outlet.debug("Preload: cancelled", messageId=message_id)

    def _preload_request(self, track_only: bool) -> HttpRequest:
        consent = None if self._consent is None else self._consent_values(self._consent)
        body = self._envelope(consent).around(self._history.encoded)
        headers = wire.preload_headers(self.options.publisher_token, track_only=track_only)
        return HttpRequest(f"{self.options.ad_server_url}/preload", headers, body)

    def _envelope(self, consent: Consent | None) -> Envelope:
        """What goes around the messages, kept from turn to turn."""
        options, session_id, sealed = self.options, self.session_id, self._sealed
        if (
            sealed is None
            or sealed.options is not options
            or (sealed.session_id, sealed.consent) != (session_id, consent)
        ):
            envelope = wire.envelope(
                options,
                install_id=self._install_id,
                session_id=session_id,
                consent=consent,
                process=_process_device(),
            )
            sealed = self._sealed = _Sealed(options, session_id, consent, envelope)
        return sealed.envelope

    def _consent_values(self, provider: ConsentProvider) -> Consent | None:
        try:
            return consent_of(provider())
        except Exception as error:  # a consent source that fails must not cost the preload
            self._outlet.report(error, "consent")
            return None

    def judge(
        self,
        result: HttpResponse | Lost,
        paced: PacedTurn,
        count: int,
        sent_at: float,
        reports: bool,
    ) -> Ending:
        """
        What an answer means; what it says of the session is taken.

        *count* is how many messages there were when its request went out.
        """
        outlet, message_id = self._outlet, paced.submitted.message.id
        debugged = outlet.is_debugged
        if isinstance(result, Lost):
            answer = wire.lost(result.why)
        else:
            if debugged:
                outlet.debug("Preload: request-ad-response", status=result.status, bytes=len(result.body))
            answer = wire.judge_preload(result.status, result.body, self.options.enabled_placement_codes)
        if answer.session_id is not None and answer.session_id != self.session_id:
            self.session_id = answer.session_id
        took = outlet.door.instant - sent_at
        match answer:
            case Fill(bids=bids) if paced.track_only:
                if debugged:
                    outlet.debug("Session: preload-track-only-skip-bids", messageId=message_id, bids=len(bids))
                self._resolve(message_id, "track_only", paced.reason, took)
                return Silent("track_only")
            case Fill(bids=bids, session_id=session_id):
                if debugged:
                    outlet.debug("Preload: ad-generation-success", messageId=message_id, bids=len(bids))
                self._resolve(message_id, "filled", None, took)
                return Fill(bids, self.session_id or session_id, count)  # one text for all of a session's
            case Skip(skip_code=code, note=note):
                if debugged:
                    outlet.debug(f"Preload: {note}", messageId=message_id, skipCode=code)
                self._resolve(message_id, "no_fill", code, took)
            case Failed():
                self._resolve(message_id, "error", answer.err_code, took)
                self._failed(answer, result, message_id, reports=reports)
        return answer

    def _resolve(
        self,
        message_id: str,
        outcome: Literal["filled", "no_fill", "error", "track_only"],
        reason: str | None,
        took: float | None = None,
    ) -> None:
        self._outlet.step(
            PreloadStep(
                name="resolved",
                user_message_id=message_id,
                at=self._outlet.door.instant,
                outcome=outcome,
                reason=reason,
                duration_s=took,
            )
        )

    def _failed(self, failed: Failed, result: HttpResponse | Lost, message_id: str, *, reports: bool) -> None:
        name = "error-preloading-ads" if failed.report else "ad-generation-error"
        self._outlet.debug(f"Preload: {name}", messageId=message_id, errCode=failed.err_code, status=failed.status)
        if failed.permanent:
            self.disabled = True
            self._outlet.debug("Preload: session-disabled", errCode=failed.err_code)
        if failed.report:
            logger().warning("preload failed", message_id=message_id, reason=failed.message)
            if reports:
                self._post_error(failed.message, _trace(result))

    # --- /error and /debug ---

    def report_frame(self, error: AdError) -> None:
        """Report a failure of an ad on the page."""
        if self._reports_errors:
            self._post_error(error.message, error.err_code, error.bid_id)

    def _post_error(self, error: str, stack: str | None, bid_id: str | None = None) -> None:
        self._post("error", wire.error_body(self.options, self._install_id, error, stack, bid_id))

    def _post_debug(self, event: DebugEvent) -> None:
        self._post("debug", wire.debug_body(self.options, self._install_id, event.name, event.data, self.session_id))

    def _post(self, path: str, body: bytes) -> None:
        if self._send is None:
            return
        if self._telemetry is None:
            self._telemetry = Telemetry(self._send, self._outlet.door.scheduler, self._backend and self._backend.tally)
        self._telemetry.post(HttpRequest(f"{self.options.ad_server_url}/{path}", wire.JSON_TYPE, body))

    async def flush(self, timeout_s: float) -> None:
        """Wait until the reports are out, at most *timeout_s* seconds."""
        if self._telemetry is not None:
            await self._telemetry.flush(timeout_s)

    # --- what comes back ---

    def posted(self) -> int:
        """An attempt goes out."""
        number, self.requests = self.requests, self.requests + 1
        return number

    def let_in(self, exchange: Exchange, arrival: Arrival) -> None:
        """What comes back enters the session through the door."""
        with (door := self._outlet.door):
            if door.tap is not None:
                door.tap.answered(door.instant, exchange.number, arrival)
            self._outlet.look()
            exchange.take(arrival)

    # --- the end ---

    def close(self) -> None:
        """Abort `/init` and the reports; nothing is sent any more."""
        if self._init is not None:
            self._init.dispose()
            self._outlet.debug("Init: cancelled")
        if self._telemetry is not None:
            self._telemetry.close()
        self._send = self._consent = self._telemetry = self._init = self._sealed = None


class _Sealed(msgspec.Struct, frozen=True, gc=False):
    """An envelope, and what it was made of."""

    options: Options
    session_id: str | None
    consent: Consent | None
    envelope: Envelope


class _Init(Exchange):
    """The request of `/init`."""

    __slots__ = ("_link",)

    def __init__(self, send: Transport, request: HttpRequest, link: ServerLink) -> None:
        super().__init__(send, request, timeout_s=DEFAULT_TIMEOUT_MS / 1000, scheduler=link.door, post=link)
        self._link = link

    def ended(self, result: HttpResponse | Lost) -> None:
        self._link.opened(result)


class _Preload(Exchange):
    """The request of one turn, whose end is an ending."""

    __slots__ = ("_count", "_is_over", "_link", "_paced", "_reports", "_sent_at", "_switch")

    def __init__(
        self,
        send: Transport,
        request: HttpRequest,
        link: ServerLink,
        gate: Gate,
        paced: PacedTurn,
        switch: Switch,
        count: int,
        *,
        reports: bool,
    ) -> None:
        door = link.door
        super().__init__(send, request, timeout_s=link.timeout_ms / 1000, scheduler=door, post=link, gate=gate)
        self._link, self._paced, self._switch = link, paced, switch
        self._count, self._reports, self._sent_at = count, reports, door.instant
        self._is_over = False

    @property
    def patience(self) -> SchedulerBase:
        return self._link.door.scheduler  # not the session's door: a timer that rings there is in its recording

    def start(self) -> None:
        self._link.sent(self._paced)
        self.attempt()

    def retrying(self, retry: Retry) -> None:
        self._link.retried(self._paced, retry)

    def ended(self, result: HttpResponse | Lost) -> None:
        self._is_over = True
        paced, link, switch = self._paced, self._link, self._switch
        ending = link.judge(result, paced, self._count, self._sent_at, reports=self._reports)
        switch.answered(self, Answered(paced.submitted.message.id, ending, link.door.instant))
        switch.over(self)

    def dispose(self) -> None:
        super().dispose()
        if not self._is_over:
            self._is_over = True
            self._link.let_go(self._paced)


class _Declined:
    """The request of a turn that is not sent: it is answered as soon as it is started."""

    __slots__ = ("_answered", "_switch")

    def __init__(self, switch: Switch, answered: Answered) -> None:
        self._switch, self._answered = switch, answered

    def start(self) -> None:
        self._switch.answered(self, self._answered)
        self._switch.over(self)

    def dispose(self) -> None:
        pass


def _trace(result: HttpResponse | Lost) -> str | None:
    if isinstance(result, Lost) and result.error is not None:
        return "".join(traceback.format_exception(result.error))
    return None


@functools.cache
def _process_device() -> wire.Device:
    system = platform.system().lower()
    return wire.process_device("macos" if system == "darwin" else system, platform.release())
