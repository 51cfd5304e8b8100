"""The notebooks run in a fresh kernel, are what their scripts are, and say again what they say in virtual time."""

from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode
from nbmake.nb_run import NotebookRun

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
IN_REAL_TIME = {"live-session"}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Every output, with the number of its cell."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            yield number, output


def told(notebook: NotebookNode) -> list[tuple[int, str]]:
    """
    What it says in words, numbers and marbles.

    Not the charts: Altair's way to draw the same changes with its version, and with the fonts of the machine.
    """
    texts: list[tuple[int, str]] = []
    for number, output in outputs(notebook):
        data = output.get("data", {"text/plain": output.get("text")})
        kinds = {"text/markdown"} if "text/markdown" in data else {"text/plain"}
        if "image/svg+xml" in data:  # a diagram of ours
            kinds.add("image/svg+xml")
        texts += [(number, data[kind]) for kind in sorted(kinds)]
    return texts


def test_all_of_them_are_found() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["live-session", "pacing-rules", "preload-timing", "your-own-logs"]


@each
def test_it_is_its_script(path: Path) -> None:
    """Else `nox -s notebooks` was not run after an edit."""
    notebook, script = jupytext.read(path), jupytext.read(path.with_suffix(".py"))
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in script.cells
    ]


@each
def test_it_runs_and_says_what_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty kernel, without a page to look at it, in a minute."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    result = NotebookRun(path, default_timeout=60).execute()
    assert result.error is None, result.error
    if path.stem not in IN_REAL_TIME:
        assert told(result.nb) == told(nbformat.read(path, 4))


@each
def test_what_is_kept_is_whole_and_small(path: Path) -> None:
    """It was run from top to bottom, and holds no state of widgets and nothing of the machine."""
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any({"image/png", "image/svg+xml"} & output.get("data", {}).keys() for _, output in outputs(notebook))
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"
    text = path.read_text("utf-8")
    assert len(text) < 500_000
    assert [word for word in ("127.0.0.1", "localhost:", "/home/", "/tmp/", " at 0x") if word in text] == []
