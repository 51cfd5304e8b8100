"""One request and its answer in virtual time: attempts, pauses, and letting go."""

import email.utils
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
import reactivex as rx
from exchanges import exchange
from hypothesis import given
from reactivex import Observable

from kontext_rx.exchange import LONGEST_PAUSE_S, PAUSE_S, RETRIES, Lost, Retry, pause_s
from kontext_rx.testing import (
    Answer,
    ReceivedRequest,
    VirtualAdServer,
    VirtualClock,
    network_error,
    silence,
    status,
)
from kontext_rx.typing import BodyTooLargeError, HttpRequest, HttpResponse

URL = "https://ads.test/preload"
REQUEST = HttpRequest(URL, {"Content-Type": "application/json", "Kontextso-Is-Disabled": "0"}, b'{"userId": "u"}')
OK = status(200)


class Exchange:
    """One exchange with a planned server: what came of it and when, in seconds from the start."""

    def __init__(self, server: VirtualAdServer, *answers: Answer, timeout_s: float = 16.0, **more: Any) -> None:
        self.server, self.clock, self.start = server, server.clock, server.clock.at  # type: ignore[attr-defined]
        server.latency = 0.0
        server.plan("/preload", *answers)
        self.retries: list[Retry] = []
        self.came: list[tuple[float, object]] = []
        self.errors: list[Exception] = []
        self.completed: list[float] = []
        self.life = exchange(
            server, REQUEST, timeout_s=timeout_s, scheduler=self.clock, on_retry=self.retries.append, **more
        ).subscribe(
            lambda result: self.came.append((self.elapsed, result)),
            self.errors.append,
            lambda: self.completed.append(self.elapsed),
        )

    @property
    def elapsed(self) -> float:
        return round(self.clock.at - self.start, 6)

    @property
    def attempts(self) -> list[float]:
        """When each attempt was made."""
        return [round(request.at - self.start, 6) for request in self.received]

    @property
    def received(self) -> list[ReceivedRequest]:
        return self.server.preloads

    def result(self) -> object:
        """What came in the end: one thing, and no error."""
        self.clock.advance(1000)
        assert not self.errors
        assert len(self.came) == 1
        assert self.completed == [self.came[0][0]]
        return self.came[0][1]


Run = Callable[..., Exchange]


@pytest.fixture
def run(server: VirtualAdServer) -> Run:
    return lambda *answers, **more: Exchange(server, *answers, **more)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 201, 204, 301, 302, 400, 401, 403, 404, 408, 418, 500, 502, 503, 504])
def test_any_status_but_429_is_an_answer_after_one_attempt(run: Run, code: int) -> None:
    """Neither a 5xx nor a redirect is tried again (H-001, H-002, H-003, H-004, H-020, #13)."""
    exchange = run(Answer(HttpResponse(code, b"body")))
    assert exchange.result() == HttpResponse(code, b"body")
    assert exchange.attempts == [0]
    assert exchange.retries == []


@pytest.mark.parametrize("failure", [status(429), network_error()])
def test_a_failure_that_passes_is_tried_again_until_it_does(run: Run, failure: Answer) -> None:
    """Twice a 429 or a network error, then 200: three attempts (H-005, H-007)."""
    exchange = run(failure, failure, OK)
    assert exchange.result() == HttpResponse(200)
    assert exchange.attempts == [0, 1, 3]


def test_a_status_after_a_network_error_is_the_answer(run: Run) -> None:
    """Two attempts, then the 502 (H-009)."""
    exchange = run(network_error(), status(502))
    assert exchange.result() == HttpResponse(502)
    assert exchange.attempts == [0, 1]


# --- attempts and pauses ----------------------------------------------------------------------------------------------


def test_retries_follow_after_one_two_and_four_seconds(run: Run) -> None:
    """Four attempts, no pause after the last (H-006, H-010, H-011, P-041, C-008)."""
    exchange = run(*[status(429)] * 5)
    assert exchange.result() == Lost("HTTP 429")
    assert exchange.attempts == [0, 1, 3, 7]
    assert exchange.completed == [7]
    assert exchange.retries == [Retry(2, 1, "HTTP 429"), Retry(3, 2, "HTTP 429"), Retry(4, 4, "HTTP 429")]
    assert (RETRIES, PAUSE_S) == (3, 1.0)


def test_a_network_that_stays_down_is_lost_with_its_last_error(run: Run) -> None:
    """In the error's own words (H-008, P-040, #27)."""
    exchange = run(network_error("first"), network_error("second"), network_error("third"), network_error("last"))
    lost = exchange.result()
    assert isinstance(lost, Lost)
    assert lost.why == "last"
    assert isinstance(lost.error, ConnectionError)
    assert exchange.attempts == [0, 1, 3, 7]
    assert [retry.why for retry in exchange.retries] == ["first", "second", "third"]


def test_an_error_without_words_is_told_by_its_class(run: Run) -> None:
    """Better than an empty text (E-008, #27)."""
    lost = run(*[network_error("")] * 4).result()
    assert isinstance(lost, Lost)
    assert lost.why == "ConnectionError"


def test_the_timeout_counts_for_each_attempt(run: Run) -> None:
    """A dead server costs 4 x 16 s and 7 s of pauses (H-016, H-017, P-042, #14)."""
    exchange = run(*[silence()] * 4)
    assert exchange.result() == Lost("no answer within 16 s")
    assert exchange.attempts == [0, 17, 35, 55]
    assert exchange.completed == [71]
    assert all(request.aborted for request in exchange.received)


def test_an_attempt_that_times_out_is_aborted_before_the_next(run: Run) -> None:
    """Its late answer is nobody's (H-016)."""
    exchange = run(OK.in_(5.5), Answer(HttpResponse(200, b"second")).in_(1), timeout_s=5.0)
    assert exchange.result() == HttpResponse(200, b"second")
    assert exchange.attempts == [0, 6]
    first, second = exchange.received
    assert first.aborted
    assert first.ended_at == pytest.approx(exchange.start + 5)
    assert not second.aborted


def test_an_answer_just_in_time_counts(run: Run) -> None:
    """A moment before the timeout."""
    exchange = run(OK.in_(4.999), timeout_s=5.0)
    assert exchange.result() == HttpResponse(200)
    assert exchange.retries == []


def test_every_attempt_sends_the_same(run: Run) -> None:
    """Address, headers and body (H-018, H-022)."""
    exchange = run(network_error(), status(429), silence(), OK)
    exchange.result()
    assert [(one.url, one.headers, one.body) for one in exchange.received] == [
        (URL, dict(REQUEST.headers), {"userId": "u"})
    ] * 4


@pytest.mark.parametrize(("answer", "result"), [(OK, HttpResponse(200)), (status(429), Lost("HTTP 429"))])
def test_without_retries_there_is_one_attempt(run: Run, answer: Answer, result: object) -> None:
    """Success or failure (H-013)."""
    exchange = run(answer, OK, retries=0)
    assert exchange.result() == result
    assert exchange.attempts == [0]
    assert exchange.retries == []


@pytest.mark.parametrize("error", [BodyTooLargeError(1024), ValueError("a bad header"), RuntimeError("closed")])
def test_what_another_attempt_would_not_mend_is_not_tried_again(run: Run, error: Exception) -> None:
    """Only the network's own errors pass by themselves."""
    exchange = run(Answer(error), OK)
    lost = exchange.result()
    assert isinstance(lost, Lost)
    assert (lost.why, lost.error, exchange.attempts) == (str(error), error, [0])


@pytest.mark.parametrize("error", [ConnectionResetError("x"), TimeoutError("x"), OSError("x")])
def test_every_kind_of_network_error_is_tried_again(run: Run, error: Exception) -> None:
    """The `OSError`s, of which a timeout is one (H-007, H-016)."""
    exchange = run(Answer(error), OK)
    assert exchange.result() == HttpResponse(200)


# --- Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "attempts"),
    [("0", [0, 1]), ("0.5", [0, 1]), ("1", [0, 1]), ("5", [0, 5]), ("30", [0, 30]), ("soon", [0, 1]), ("-9", [0, 1])],
)
def test_retry_after_lengthens_a_pause_and_never_shortens_it(run: Run, asked: str, attempts: list[float]) -> None:
    """Unlike the official SDKs, which do not read it (H-012 settled)."""
    exchange = run(status(429, {"retry-after": asked}), OK)
    assert exchange.result() == HttpResponse(200)
    assert exchange.attempts == attempts


@pytest.mark.parametrize("asked", ["31", "30.001", "3600", "9" * 400])
def test_a_server_that_asks_for_more_than_thirty_seconds_ends_the_attempts(run: Run, asked: str) -> None:
    """At once, as lost (H-012 settled)."""
    exchange = run(status(429, {"retry-after": asked}), OK)
    assert exchange.result() == Lost("HTTP 429")
    assert exchange.completed == [0]
    assert LONGEST_PAUSE_S == 30.0


@pytest.mark.parametrize(("seconds", "attempts"), [(12, [0, 12]), (-100, [0, 1]), (45, [0])])
def test_retry_after_may_be_a_moment_by_the_scheduler_s_clock(run: Run, seconds: int, attempts: list[float]) -> None:
    """Its distance from now is the pause, in virtual time too (H-012 settled)."""
    clock = VirtualClock()
    moment = email.utils.format_datetime(clock.now + timedelta(seconds=seconds), usegmt=True)
    exchange = run(status(429, {"retry-after": moment}), OK)
    exchange.result()
    assert exchange.attempts == attempts


def test_retry_after_is_read_from_a_429_alone(run: Run) -> None:
    """A 503 is an answer, whatever it asks for (H-003)."""
    exchange = run(status(503, {"retry-after": "1"}), OK)
    assert exchange.result() == HttpResponse(503, b"", {"retry-after": "1"})


def test_each_pause_asked_for_counts_for_itself(run: Run) -> None:
    """The longer of the two, each time (H-011)."""
    exchange = run(status(429, {"retry-after": "3"}), status(429), status(429, {"retry-after": "2"}), OK)
    assert exchange.result() == HttpResponse(200)
    assert exchange.attempts == [0, 3, 5, 9]


@given(st.integers(1, 6), st.integers(0, 6), st.none() | st.floats(0, 100))
def test_a_pause_is_a_power_of_two_or_what_was_asked_or_there_is_none(
    number: int, retries: int, asked: float | None
) -> None:
    """Never more than thirty seconds for a server's wish, and none after the last attempt (H-010, H-011)."""
    headers = {} if asked is None else {"retry-after": f"{asked:f}"}
    wished = float(headers.get("retry-after", 0))
    pause = pause_s(HttpResponse(429, b"", headers), number, retries, VirtualClock())
    if number > retries or wished > 30:
        assert pause is None
    else:
        assert pause == max(2.0 ** (number - 1), wished)


# --- letting go -------------------------------------------------------------------------------------------------------


def test_letting_go_of_an_attempt_aborts_it_at_once(run: Run) -> None:
    """And nothing follows (H-015, P-043, P-044)."""
    exchange = run(silence(), OK)
    exchange.clock.advance(3)
    exchange.life.dispose()
    assert exchange.received[0].aborted
    assert exchange.received[0].ended_at == pytest.approx(exchange.start + 3)
    exchange.clock.advance(1000)
    assert (exchange.attempts, exchange.came, exchange.completed) == ([0], [], [])


def test_letting_go_of_a_pause_ends_it_at_once(run: Run) -> None:
    """No further attempt is made (H-015)."""
    exchange = run(network_error(), OK)
    exchange.clock.advance(0.5)
    exchange.life.dispose()
    exchange.clock.advance(1000)
    assert (exchange.attempts, exchange.came, exchange.completed) == ([0], [], [])


def test_letting_go_is_safe_after_the_end_and_many_times(run: Run) -> None:
    """What was answered stays answered (P-045)."""
    exchange = run(OK)
    exchange.result()
    for _ in range(3):
        exchange.life.dispose()
    assert not exchange.received[0].aborted
    assert len(exchange.came) == 1


def test_the_timer_of_an_attempt_ends_with_it(run: Run) -> None:
    """Neither the answer nor the pause that follows an attempt is disturbed by its timeout (P-018)."""
    exchange = run(network_error().in_(1.5), OK.in_(1.9), timeout_s=2.0)
    assert exchange.result() == HttpResponse(200)
    assert exchange.attempts == [0, 2.5]
    assert len(exchange.retries) == 1
    assert not any(request.aborted for request in exchange.received)


def test_each_subscription_is_a_request_of_its_own(server: VirtualAdServer) -> None:
    """Cold: nothing is sent before, and twice is twice."""
    cold = exchange(server, REQUEST, timeout_s=16, scheduler=server.clock)
    assert server.preloads == []
    for _ in range(2):
        cold.subscribe()
    assert len(server.preloads) == 2


# --- transports of the app's own --------------------------------------------------------------------------------------


class Odd:
    """A transport that does what a transport should not."""

    def __init__(self, *answers: Observable[HttpResponse] | Exception) -> None:
        self.answers = list(answers)

    def __call__(self, _: HttpRequest) -> Observable[HttpResponse]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def raising(_: object, __: object = None) -> Any:
    raise RuntimeError("in subscribe")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([rx.empty()], "the transport gave no answer"),
        ([RuntimeError("at the call")], "at the call"),
        ([Observable(raising)], "in subscribe"),
        ([rx.throw(ConnectionError("down")), RuntimeError("at the second call")], "at the second call"),
    ],
)
def test_a_transport_that_fails_in_its_own_way_is_lost_and_never_an_error(
    clock: VirtualClock, answers: list[Any], why: str
) -> None:
    """An exchange always ends in one word, else a turn would wait for ever."""
    came: list[object] = []
    errors: list[Exception] = []
    transport = Odd(*answers)
    exchange(transport, REQUEST, timeout_s=16, scheduler=clock).subscribe(came.append, errors.append)
    clock.advance(100)
    assert errors == []
    assert len(came) == 1
    assert isinstance(came[0], Lost)
    assert came[0].why == why
    assert transport.answers == []


def test_an_answer_that_comes_at_once_is_an_answer(clock: VirtualClock) -> None:
    """Before `subscribe` has returned; a second one is not heard."""
    came: list[object] = []
    two = rx.of(HttpResponse(200, b"one"), HttpResponse(200, b"two"))
    exchange(Odd(two), REQUEST, timeout_s=16, scheduler=clock).subscribe(came.append)
    clock.advance(100)
    assert came == [HttpResponse(200, b"one")]
