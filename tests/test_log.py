"""The log: silent until the app asks for it, and never a word of what was said or by whom."""

import logging
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from watched import Watched

from kontext_rx import App, Message
from kontext_rx.log import STDLIB, logger
from kontext_rx.testing import Answer, VirtualAdServer, failure, json_answer, network_error, no_fill, status
from kontext_rx.typing import HttpResponse


def python(script: str) -> subprocess.CompletedProcess[str]:
    """Run *script* in a process of its own, every warning an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


FAILING = """
    from kontext_rx import Message
    from kontext_rx.testing import VirtualAdServer, VirtualClock, network_error, virtual_session

    server = VirtualAdServer(VirtualClock())
    server.plan("/preload", *[network_error("reset by peer")] * 4)
    session = virtual_session(server, on_event=lambda event: 1 / 0)
    session.add_message(Message.user("u1", "Hi"))
    server.clock.advance(100)
"""


def test_an_app_that_configures_no_logging_is_told_nothing() -> None:
    """Neither on its stdout nor on its stderr, while warnings and errors are logged (E-012)."""
    ran = python(FAILING)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_an_app_that_configures_logging_gets_the_lines() -> None:
    """Through the stdlib's logger `kontext_rx`, with a traceback where there is one (E-010, E-012)."""
    ran = python(
        """
    import logging
    logging.basicConfig(
        level="INFO",
        format="%(levelname)s %(name)s: %(message)s",
        handlers=[logging.StreamHandler(__import__("sys").stdout)],
    )
    """
        + FAILING
    )
    assert ran.stderr == ""
    assert "WARNING kontext_rx: preload failed" in ran.stdout
    assert "ERROR kontext_rx: the app's code raised" in ran.stdout
    assert "ZeroDivisionError" in ran.stdout


def test_structlog_s_own_configuration_is_left_to_the_app() -> None:
    """An app that renders to JSON still gets our lines through the stdlib, and its own as it likes."""
    ran = python(
        """
    import structlog
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    """
        + FAILING
        + """
    assert structlog.get_config()["processors"][0].__class__.__name__ == "JSONRenderer"
    """
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_line_has_its_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    """For handlers that write structure; the names do not clash with those of the stdlib."""
    with caplog.at_level(logging.DEBUG, "kontext_rx"):
        logger().warning("preload failed", message_id="u1", reason="HTTP 429")
    (record,) = caplog.records
    assert (record.name, record.getMessage(), record.levelname) == ("kontext_rx", "preload failed", "WARNING")
    assert vars(record)["message_id"] == "u1"
    assert vars(record)["reason"] == "HTTP 429"


def test_a_line_names_the_place_that_wrote_it(server: VirtualAdServer, caplog: pytest.LogCaptureFixture) -> None:
    """And not structlog's inside."""
    logger().warning("here")
    server.plan("/preload", *[network_error()] * 4)
    watched = Watched(server, {})
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.clock.advance(100)
    assert [(record.filename, record.funcName) for record in caplog.records] == [
        ("test_log.py", "test_a_line_names_the_place_that_wrote_it"),
        ("link.py", "_failed"),
    ]


def test_a_level_that_is_off_costs_no_line(caplog: pytest.LogCaptureFixture) -> None:
    """And the logger is one, however often it is asked for."""
    with caplog.at_level(logging.ERROR, "kontext_rx"):
        logger().warning("preload failed")
    assert caplog.records == []
    assert logger() is logger()
    assert STDLIB.name == "kontext_rx"


def test_debug_events_are_lines_too(server: VirtualAdServer, caplog: pytest.LogCaptureFixture) -> None:
    """At the level DEBUG, with the conversation (E-012)."""
    with caplog.at_level(logging.DEBUG, "kontext_rx"):
        watched = Watched(server, {})
        watched.session.add_message(Message.user("u1", "Hi"))
        watched.clock.advance(1)
    lines = [record for record in caplog.records if record.name == "kontext_rx"]
    assert [record.getMessage() for record in lines][:2] == ["Init: start", "Session: message-added"]
    assert vars(lines[1])["conversation_id"] == "conversation-1"
    assert vars(lines[1])["data"] == {"messageId": "u1", "role": "user"}


# --- privacy ----------------------------------------------------------------------------------------------------------

SAID = "canary-said"
CANARIES = {
    "publisher_token": "canary-token",
    "user_id": "canary-user",
    "user_email": "canary@example.org",
    "advertising_id": "canary-advertising",
    "vendor_id": "canary-vendor",
}
CONSENT = "canary-consent"


class Consents:
    """A consent platform that works, fails, and gives nonsense, in turn."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        match self.asked % 3:
            case 1:
                return {"gdpr": 1, "gdpr_consent": CONSENT}
            case 2:
                raise RuntimeError("the platform is down")
            case _:
                return {"IABTCF_TCString": CONSENT}


def eventful(server: VirtualAdServer) -> Watched:
    """A session in which about everything happens that can."""
    server.plan("/init", json_answer({"reportDebug": True, "preloadTimeout": 5000}))
    answers: list[list[Answer]] = [
        [Answer(HttpResponse(200, b"<html>"))],
        [network_error()],
        [status(429, {"retry-after": "3"})],
        [no_fill("frequency_cap")],
        [status(503)],
        [status(204)],
        [failure("geo")],
        [network_error("reset")] * 4,
    ]
    watched = Watched(
        server,
        {
            **CANARIES,
            "regulatory": {"gdpr_consent": CONSENT},
            "character": {"id": "c", "name": SAID, "avatar_url": "https://x", "persona": SAID},
            "context": {"user_agent": SAID},
            "app": App(bundle_id="com.acme"),
            "consent": Consents(),
        },
    )
    session = watched.session
    session.events.subscribe(lambda event: 1 / 0 if event.name == "ad.no-fill" else None)
    for number in range(12):
        session.add_message(Message.user(f"u{number}", f"{SAID} {number}"))
        watched.clock.advance(1)
        session.add_message(Message.assistant(f"a{number}", f"{SAID} back {number}"))
        watched.clock.advance(100)
        server.plan("/preload", *(answers.pop(0) if answers else []))
    session.add_message(Message.user("u1", f"{SAID} edited"))
    session.add_message(Message.assistant("a1", f"{SAID} edited"))
    session.inbox.on_next(SAID)  # type: ignore[arg-type]
    session.inbox.on_error(RuntimeError("the source ended"))
    session.update_options(user_email="canary2@example.org", variant_id=SAID, regulatory={"gpp": CONSENT})
    session.create_ad("a11").destroy()
    session.send_user_event("user.typing.started", {"text": SAID})
    server.plan("/preload", failure("gone", permanent=True))
    session.add_message(Message.user("last", SAID))
    watched.clock.advance(100)
    session.add_message(Message.user("ignored", SAID))
    session.destroy()
    return watched


@pytest.mark.reports
def test_nobody_is_named_or_quoted_in_a_log_line(server: VirtualAdServer, caplog: pytest.LogCaptureFixture) -> None:
    """Not at the level DEBUG, not in a field, not in a traceback: ids, counts and roles alone (E-034, #31)."""
    with caplog.at_level(logging.DEBUG):
        eventful(server)
    formatter = logging.Formatter("%(message)s")
    lines = [formatter.format(record) + repr(vars(record)) for record in caplog.records if record.name == "kontext_rx"]
    said = {record.getMessage() for record in caplog.records}
    assert {
        "preload failed",
        "the app's code raised",
        "Session: message-duplicate",
        "Preload: session-disabled",
    } <= said
    assert not [line for line in lines if "canary" in line]
    assert len(lines) > 100


@pytest.mark.reports
def test_nobody_is_named_or_quoted_in_a_debug_event(server: VirtualAdServer) -> None:
    """Nor in what is forwarded of one; the facts of a report are those that the wire asks for (E-034, #31)."""
    watched = eventful(server)
    assert not [event for event in watched.debug if "canary" in repr(event)]
    assert {"Session: callback-error", "Session: inbox-error", "Session: options-updated"} <= set(watched.debug_names)
    forwarded = server.received("/debug")
    assert len(forwarded) > 50
    assert not [request for request in forwarded if "canary" in str(request.body.get("data"))]
    for request in (*forwarded, *server.received("/error")):
        facts = request.body["additionalData"]
        assert facts.pop("publisherToken") == CANARIES["publisher_token"]
        assert facts.pop("userId") == CANARIES["user_id"]
        assert "canary" not in str(request.body)
    assert len(server.received("/error")) == 2


@pytest.mark.reports
def test_nobody_is_named_or_quoted_in_a_preload_step(server: VirtualAdServer) -> None:
    """Those who look at timing need no text (E-034)."""
    watched = eventful(server)
    assert {step.name for step in watched.steps} == {"scheduled", "sent", "retried", "resolved"}
    assert "canary" not in repr(watched.steps)
    assert "canary" not in repr(watched.session)
