"""What the documentation shows runs, and prints what it says it prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

OUTPUT = re.compile(r"\s*(?:[^\n]+\n)?\s*```text\n(.*?)```", re.DOTALL)
"""The block that follows a block of code, at most a line apart: its output."""


@pytest.mark.parametrize("page", [page for page in PAGES if "_build" not in page.parts], ids=lambda page: page.name)
def test_every_block_of_code_runs(page: Path) -> None:
    """Blocks of one page share their names, from top to bottom."""
    document = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], path=str(ROOT)).parse(page)
    for example in document.examples():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            example.evaluate()
        if (expected := OUTPUT.match(document.text, example.region.end)) is not None:
            assert printed.getvalue() == expected[1], f"line {example.line} of {page.name}"
        else:
            assert printed.getvalue() == "", f"what line {example.line} of {page.name} prints is not shown"


def test_the_readme_s_program_prints_what_it_says() -> None:
    """It is the first thing a newcomer tries: its output block must be there to be compared."""
    text = (ROOT / "README.md").read_text("utf-8")
    code = re.search(r"```python\n.*?```", text, re.DOTALL)
    assert code is not None
    assert OUTPUT.match(text, code.end()) is not None


def test_ci_runs_the_readme_s_test_command() -> None:
    """Word for word, but for the name of the Python."""
    command = "-m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox -s tests"
    assert f"python3 {command}" in (ROOT / "README.md").read_text("utf-8")
    assert f'"$python" {command}' in (ROOT / ".ci" / "run").read_text("utf-8")
