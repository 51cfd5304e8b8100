from __future__ import annotations

import inspect
import signal
import socket
import sys
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from kontext_rx.adserver import LoggedRequest, Settings
from kontext_rx.cli.commands import cli
from kontext_rx.cli.serving import outcome

from .conftest import BURST, Export, Running, run, turns

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")


@unix_only
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(export: Export, by: signal.Signals) -> None:
    """It says where it listens, a line for each request, and at the end what there was."""
    running = Running("adserver", "--port", "0", "--every", "2")
    url = running.line().split()[-1]
    assert url.startswith("http://127.0.0.1:")
    replayed = run("replay", export([turns("c", 2)]), "--ad-server", url, "--json", *BURST)
    assert replayed.summary["filled"] == 1
    ran = running.stop(by)
    assert (ran.code, ran.err) == (0, "")
    assert "POST /init     200  enabled" in ran.out
    assert "POST /preload  200  filled with " in ran.out
    assert ["requests", "2", "/init", "1,", "/preload", "1"] in [line.split() for line in ran.out.splitlines()]


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("adserver", "--port", str(port))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"Error: cannot listen on 127.0.0.1 port {port}: the port is in use; give another, or 0 for any free one\n"
    )


def test_every_setting_has_an_option() -> None:
    """All but the size of the log, which nobody can look at here."""
    (command,) = [command for name, command in cli.commands.items() if name == "adserver"]
    options = {parameter.name for parameter in command.params}
    assert set(inspect.signature(Settings).parameters) - options == {"log_size"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--fill-rate", "2"), "'--fill-rate'"),
        (("--init-latency", "x"), "--init-latency x cannot be used"),
        (("--latency", "uniform:2,1"), "--latency uniform:2,1 cannot be used: give at least low"),
        (("--reset-rate", "0.7", "--error-rate", "0.7"), "--reset-rate + --error-rate 1.4 cannot be used"),
        (("--skip-code", " "), "--skip-code"),
        (("--port", "70000"), "'--port'"),
    ],
)
def test_options_that_cannot_be_used(options: tuple[str, ...], why: str) -> None:
    result = CliRunner().invoke(cli, ["adserver", *options])
    assert result.exit_code == 2
    assert why in result.output


@pytest.mark.parametrize(
    ("path", "facts", "said"),
    [
        ("/init", {"status": 200, "answer": {"enabled": True}}, "enabled"),
        ("/init", {"status": 200, "answer": {"enabled": False}}, "disabled"),
        ("/preload", {"status": 200, "answer": {"bids": [{}]}}, "filled"),
        ("/preload", {"status": 200, "answer": {"skip": True, "skipCode": "x"}}, "no fill: x"),
        ("/preload", {"status": 200, "answer": {"errCode": "x"}}, "error: x"),
        ("/preload", {"status": 204}, "no content"),
        ("/preload", {"status": 200, "answer": None}, "an answer without bids"),
        ("/preload", {"status": 400, "answer": {"error": "userId: is required"}}, "userId: is required"),
        ("/preload", {"status": 503}, "refused"),
        ("/preload", {"ended": "aborted"}, "the client went away"),
        ("/preload", {"ended": "reset"}, "reset"),
        ("/error", {"status": 200, "body": {"error": "HTTP 503"}}, "HTTP 503"),
        ("/debug", {"status": 200, "body": {"name": "Init: start"}}, "Init: start"),
        ("/api/frame/1", {"status": 200}, ""),
    ],
)
def test_outcomes_in_words(path: str, facts: dict[str, Any], said: str) -> None:
    entry = LoggedRequest(number=1, at=0.0, method="POST", path=path, headers={}, body=None, size=0, ended="answered")
    entry = msgspec.structs.replace(entry, **facts)
    assert outcome(entry)[0] == said
