"""A session's side of the session API: `/init`, `/preload` and the reports, and what the server has decided."""

from __future__ import annotations

import functools
import platform
import traceback
from collections.abc import Callable
from typing import Final

import msgspec
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from . import wire
from .event import AdError
from .exchange import Arrival, Lost, Retry, exchange
from .history import History
from .log import logger
from .options import Consent, ConsentProvider, Options, consent_of
from .outlet import Outlet
from .pairing import Answered, Ending, Silent
from .preload import PacedTurn, at_once
from .source import Source, Undo
from .telemetry import Telemetry
from .trace import DebugEvent
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
        "_consent",
        "_history",
        "_init",
        "_install_id",
        "_on_disabled",
        "_outlet",
        "_reports_errors",
        "_sealed",
        "_send",
        "_telemetry",
        "disabled",
        "init",
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
        send: Transport | None,
        history: History[msgspec.Raw],
        outlet: Outlet,
        consent: ConsentProvider | None,
        on_disabled: Callable[[str, str], None],
    ) -> None:
        self.options = options
        self.session_id: str | None = None
        self.timeout_ms = DEFAULT_TIMEOUT_MS
        self.disabled = send is None
        self._install_id, self._send = install_id, send
        self.requests = 0
        """How many were sent, reports not counted."""
        self._history, self._outlet, self._consent = history, outlet, consent
        self._on_disabled = on_disabled
        self._reports_errors = True
        self._sealed: tuple[tuple[Options, str | None, Consent | None], Envelope] | None = None
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
        timeout_s, clock = DEFAULT_TIMEOUT_MS / 1000, self._outlet.clock
        self._init = exchange(self._send, request, timeout_s=timeout_s, scheduler=clock, post=self).subscribe(
            self._on_init
        )

    def _on_init(self, result: HttpResponse | Lost) -> None:
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
        self._outlet.forward = self._post_debug if answer.report_debug else None
        self._outlet.debug(
            "Init: reporting-applied", reportErrors=answer.report_errors, reportDebug=answer.report_debug
        )
        if answer.preload_timeout_ms is not None:
            self.timeout_ms = answer.preload_timeout_ms
            self._outlet.debug("Init: preload-timeout-updated", timeoutMs=answer.preload_timeout_ms)
        if not answer.enabled:
            self.disabled = True
            self._outlet.debug("Init: disabled")
            self._on_disabled("Session is disabled", "session_disabled_by_init")

    # --- /preload ---

    def request(self, paced: PacedTurn, let_go_for: Callable[[], str | None]) -> Observable[Answered]:
        """
        The answer to one settled turn; disposing lets the request go.

        *let_go_for* then gives the newer user message that it was let go for, or None at the session's end.
        It does not raise, and the observable does not error.
        """
        message_id = paced.submitted.message.id
        if self.disabled or self._send is None:
            self._outlet.step("cancelled", message_id, reason="session_disabled")
            self._outlet.debug("Session: preload-skipped-disabled", messageId=message_id)
            return at_once(Answered(message_id, Silent("session_disabled"), self._outlet.now()))
        try:
            request = self._preload_request(paced.track_only)
        except Exception as error:
            self._outlet.report(error, "preload")
            failed = wire.lost(type(error).__name__)
            self._outlet.step("resolved", message_id, outcome="error", reason=failed.err_code)
            return at_once(Answered(message_id, failed, self._outlet.now()))
        attempts = exchange(
            self._send,
            request,
            timeout_s=self.timeout_ms / 1000,
            scheduler=self._outlet.clock,
            post=self,
            on_retry=lambda retry: self._retried(message_id, retry),
        )
        return self._followed(attempts, paced, let_go_for)

    def _followed(
        self, attempts: Observable[HttpResponse | Lost], paced: PacedTurn, let_go_for: Callable[[], str | None]
    ) -> Observable[Answered]:
        """*attempts*, judged, and each step of their life told."""
        message_id, outlet, reports = paced.submitted.message.id, self._outlet, self._reports_errors
        sent = self._history.messages

        def subscribe(observer: ObserverBase[Answered], _: SchedulerBase | None = None) -> DisposableBase:
            answered = False

            def on_next(result: HttpResponse | Lost) -> None:
                nonlocal answered
                answered = True
                with outlet.door:
                    ending = self._judge(result, paced, sent_at, reports=reports)
                    if isinstance(ending, Fill):
                        ending = msgspec.structs.replace(ending, messages=sent)
                    observer.on_next(Answered(message_id, ending, outlet.now()))

            def let_go() -> None:
                attempt.dispose()
                if not answered:
                    newer = let_go_for()
                    reason = "session_destroyed" if newer is None else None
                    outlet.step("cancelled", message_id, by=newer, reason=reason)
                    outlet.debug("Preload: cancelled", messageId=message_id)

            with outlet.door:
                sent_at = outlet.now()
                outlet.step("sent", message_id, track_only=paced.track_only, reason=paced.reason)
                outlet.debug("Preload: request-ad-start", messageId=message_id, timeoutMs=self.timeout_ms)
                attempt = attempts.subscribe(on_next, observer.on_error, observer.on_completed)
            return Undo(let_go)

        return Source(subscribe)

    def _preload_request(self, track_only: bool) -> HttpRequest:
        body = self._envelope(self._consent_values()).around(self._history.encoded)
        headers = wire.preload_headers(self.options.publisher_token, track_only=track_only)
        return HttpRequest(f"{self.options.ad_server_url}/preload", headers, body)

    def _envelope(self, consent: Consent | None) -> Envelope:
        """What goes around the messages, kept from turn to turn."""
        made_of = (self.options, self.session_id, consent)
        if self._sealed is None or self._sealed[0] != made_of:
            made = wire.envelope(
                self.options,
                install_id=self._install_id,
                session_id=self.session_id,
                consent=consent,
                process=_process_device(),
            )
            self._sealed = (made_of, made)
        return self._sealed[1]

    def _consent_values(self) -> Consent | None:
        if self._consent is None:
            return None
        try:
            return consent_of(self._consent())
        except Exception as error:  # a consent source that fails must not cost the preload
            self._outlet.report(error, "consent")
            return None

    def _retried(self, message_id: str, retry: Retry) -> None:
        self._outlet.step("retried", message_id, attempt=retry.attempt, delay_s=retry.delay_s, reason=retry.why)

    def _judge(self, result: HttpResponse | Lost, paced: PacedTurn, sent_at: float, *, reports: bool) -> Ending:
        """What an answer means; its session id and its word on the session are taken."""
        outlet, message_id = self._outlet, paced.submitted.message.id
        if isinstance(result, Lost):
            answer = wire.lost(result.why)
        else:
            outlet.debug("Preload: request-ad-response", status=result.status, bytes=len(result.body))
            answer = wire.judge_preload(result.status, result.body, self.options.enabled_placement_codes)
        if answer.session_id is not None:
            self.session_id = answer.session_id
        took = outlet.now() - sent_at
        match answer:
            case Fill(bids=bids) if paced.track_only:
                outlet.debug("Session: preload-track-only-skip-bids", messageId=message_id, bids=len(bids))
                outlet.step("resolved", message_id, outcome="track_only", reason=paced.reason, duration_s=took)
                return Silent("track_only")
            case Fill(bids=bids):
                outlet.debug("Preload: ad-generation-success", messageId=message_id, bids=len(bids))
                outlet.step("resolved", message_id, outcome="filled", duration_s=took)
            case Skip(skip_code=code, note=note):
                outlet.debug(f"Preload: {note}", messageId=message_id, skipCode=code)
                outlet.step("resolved", message_id, outcome="no_fill", reason=code, duration_s=took)
            case Failed():
                outlet.step("resolved", message_id, outcome="error", reason=answer.err_code, duration_s=took)
                self._failed(answer, result, message_id, reports=reports)
        return answer

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
        self._telemetry = self._telemetry or Telemetry(self._send, self._outlet.clock.scheduler)
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

    def let_in(self, number: int, answer: Arrival, deliver: Callable[[Arrival], None]) -> None:
        """What comes back enters the session through the door."""
        outlet = self._outlet
        with outlet.door:
            if outlet.clock.tap is not None:
                outlet.clock.tap.answered(outlet.now(), number, answer)
            deliver(answer)

    # --- the end ---

    def close(self) -> None:
        """Abort `/init` and the reports; nothing is sent any more."""
        if self._init is not None:
            self._init.dispose()
            self._outlet.debug("Init: cancelled")
        if self._telemetry is not None:
            self._telemetry.close()
        self._send = self._consent = self._telemetry = self._init = self._sealed = None


def _trace(result: HttpResponse | Lost) -> str | None:
    if isinstance(result, Lost) and result.error is not None:
        return "".join(traceback.format_exception(result.error))
    return None


@functools.cache
def _process_device() -> wire.Device:
    system = platform.system().lower()
    return wire.process_device("macos" if system == "darwin" else system, platform.release())
