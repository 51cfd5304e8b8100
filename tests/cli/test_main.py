from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kontext_rx.cli import commands

from .conftest import run


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_help_names_the_commands() -> None:
    ran = run("--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: kontext-rx ")
    assert all(f"  {name} " in ran.out for name in ("adserver", "demo", "replay", "simulate"))


def test_version() -> None:
    assert run("--version").out == f"kontext-rx {importlib.metadata.version('kontext-rx')}\n"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_how_to_install_it(missing: str) -> None:
    done = python(f"import sys; sys.modules[{missing!r}] = None; from kontext_rx.__main__ import main; main()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"kontext-rx needs {missing}, which is not installed: pip install 'kontext-rx[cli]'\n"


def test_the_library_does_not_need_the_extra() -> None:
    done = python("import sys, kontext_rx, kontext_rx.__main__; print({'click', 'rich'} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_an_interruption_is_the_exit_code_that_shells_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Click by itself says `Aborted!` and 1."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "serve", interrupted)
    ran = CliRunner().invoke(commands.cli, ["adserver"])
    assert (ran.exit_code, ran.output) == (130, "")


SWALLOWS = """
import signal, sys
from kontext_rx.__main__ import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                print("swallowed")

sys.meta_path.insert(0, Finder())
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="raise_signal ends a process there")
@pytest.mark.parametrize("module", ["click", "numpy"])
def test_an_import_cannot_swallow_an_interruption(module: str) -> None:
    """It waits until everything is there, whatever is imported, at the start or for a command."""
    done = python(SWALLOWS.format(module=module), "simulate", __file__, "--rule", "every(1)")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
