from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kontext_rx.cli import commands

from .conftest import run


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=20)


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
