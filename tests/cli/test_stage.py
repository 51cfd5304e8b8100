"""How the demo is shown goes by the machine, and it never waits where nobody looks."""

import webbrowser

import pytest

from kontext_rx.cli.stage import Stage, choose, without_screen

SCREEN = {"DISPLAY": ":0"}


def reason(environ: dict[str, str], *, platform: str = "linux", is_terminal: bool = True, opens: bool = True) -> str:
    """Why there is no screen, "" when there is one."""

    def browser() -> object:
        if not opens:
            raise webbrowser.Error("could not locate runnable browser")
        return object()

    return without_screen(environ=environ, platform=platform, is_terminal=is_terminal, browser=browser) or ""


@pytest.mark.parametrize("environ", [SCREEN, {"WAYLAND_DISPLAY": "wayland-0"}])
def test_a_terminal_on_a_desktop_has_a_screen(environ: dict[str, str]) -> None:
    assert reason(environ) == ""


@pytest.mark.parametrize("environ", [{}, {"DISPLAY": ""}])
def test_linux_without_a_display_has_none(environ: dict[str, str]) -> None:
    assert "DISPLAY" in reason(environ)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_a_terminal_is_enough(platform: str) -> None:
    assert reason({}, platform=platform) == ""


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_command_that_writes_to_no_terminal_is_run_by_a_machine(platform: str) -> None:
    """A page would wait for Ctrl-C for ever."""
    assert "terminal" in reason(SCREEN, platform=platform, is_terminal=False)


def test_a_screen_without_a_browser_is_no_help() -> None:
    assert "browser" in reason(SCREEN, opens=False)


def test_the_best_way_there_is() -> None:
    assert choose(None, None) == choose(None, "/usr/bin/chromium") == Stage("page")
    headless, text = choose("no screen", "/usr/bin/chromium"), choose("no screen", None)
    assert (headless.kind, text.kind) == ("headless", "text")
    assert "no screen" in headless.why
    assert "no screen" in text.why
    assert "Chromium" in text.why
