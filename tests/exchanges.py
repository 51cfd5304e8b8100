"""An exchange as an observable, so that it can be looked at in marbles and awaited."""

from collections.abc import Callable

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from kontext_rx.exchange import RETRIES, Exchange, Lost, Retry
from kontext_rx.source import Source
from kontext_rx.typing import HttpRequest, HttpResponse, Transport


def exchange(
    send: Transport,
    request: HttpRequest,
    *,
    timeout_s: float,
    scheduler: SchedulerBase,
    retries: int = RETRIES,
    on_retry: Callable[[Retry], None] | None = None,
) -> Observable[HttpResponse | Lost]:
    """The answer to *request*, or `Lost`; then it completes. It never errors."""

    def subscribe(observer: ObserverBase[HttpResponse | Lost], _: SchedulerBase | None = None) -> DisposableBase:
        observed = _Observed(observer, on_retry, send, request, timeout_s, scheduler, retries)
        observed.attempt()
        return observed

    return Source(subscribe)


class _Observed(Exchange):
    __slots__ = ("_observer", "_on_retry")

    def __init__(
        self,
        observer: ObserverBase[HttpResponse | Lost],
        on_retry: Callable[[Retry], None] | None,
        send: Transport,
        request: HttpRequest,
        timeout_s: float,
        scheduler: SchedulerBase,
        retries: int,
    ) -> None:
        super().__init__(send, request, timeout_s=timeout_s, scheduler=scheduler, retries=retries)
        self._observer, self._on_retry = observer, on_retry

    def ended(self, result: HttpResponse | Lost) -> None:
        self._observer.on_next(result)
        self._observer.on_completed()

    def retrying(self, retry: Retry) -> None:
        if self._on_retry is not None:
            self._on_retry(retry)
