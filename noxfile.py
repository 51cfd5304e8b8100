"""What is done to the project: `nox -s tests`, `lint`, `types`, `docs`, `notebooks`, `demo`, `bench`."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_missing_interpreters = False  # the versions that are there, also on a CI machine
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)


def group(name: str) -> list[str]:
    return nox.project.dependency_groups(PROJECT, name)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on every Python of ours that is found; coverage is judged where all were run."""
    session.install("-e", ".[cli,dask,notebook,simulate]", *group("test"), *group("notebooks"))
    env = {"COVERAGE_FILE": str(session.create_tmp()) + "/coverage"}
    cover = [] if session.posargs else ["--cov", "--cov-report=term", "--cov-fail-under=95"]
    session.run("pytest", *cover, *session.posargs, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff for the Python; for the scripts in pages TypeScript, which checks their JSDoc types and builds nothing."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for project in ("tsconfig.json", "tsconfig.browser.json"):
        npx(session, "typescript@7.0.2", "tsc", "--project", f"tests/typing/{project}")
    # TypeScript would lower newer syntax in a build, so it lets it pass; a page loads the file as it is.
    npx(session, "acorn@8.15.0", "acorn", "--ecma2021", "--module", "--silent", "kontext_rx/hosts/browser.js")


def npx(session: nox.Session, package: str, *command: str) -> None:
    """Run a command of an npm package with the node of a wheel; fetched once, and kept in the session's folder."""
    env = {"npm_config_cache": str(session.create_tmp()), "npm_config_update_notifier": "false"}
    session.run("npx", "--yes", f"--package={package}", "--", *command, env=env)


@nox.session
def types(session: nox.Session) -> None:
    session.install("-e", ".[cli,notebook,simulate]", *group("types"))
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning fails it."""
    session.install("-e", ".[cli,simulate]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Bring notebooks and scripts together, the newer one winning, and run them anew with their outputs kept."""
    session.install("-e", ".[cli,notebook,simulate]", *group("notebooks"))
    scripts = sorted(Path("notebooks").glob("*.py"))
    books = [script.with_suffix(".ipynb") for script in scripts]
    session.run("jupytext", "--sync", *scripts)
    session.run(
        *("jupyter", "nbconvert", "--to", "notebook", "--inplace", "--execute", *books),
        "--ExecutePreprocessor.record_timing=False",
        "--ExecutePreprocessor.store_widget_state=False",  # it is the widget's whole script
    )


@nox.session
def demo(session: nox.Session) -> None:
    """Conversations through real sessions, against the embedded ad server."""
    session.install("-e", ".[cli]")
    session.run("kontext-rx", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """
    What everything costs, beside a hand-written session; slow, and of no use on a busy machine.

    With options: `nox -s bench -- --quick --cells turns,burst`. One of the scripts, with its own:
    `nox -s bench -- bridge --messages 2000`, `nox -s bench -- soak --minutes 3`.
    """
    session.install("-e", ".[cli,simulate]", *group("bench"))
    named = bool(session.posargs) and not session.posargs[0].startswith("-")
    name, *options = session.posargs if named else ("run", *session.posargs)
    session.run("python", f"tests/benchmarks/{name}.py", *options)


@nox.session
def picture(session: nox.Session) -> None:
    """Take the README's picture again, from the demo as it is, and draw that of the life of a turn."""
    session.install("-e", ".[cli]", *group("test"))
    session.run("python", "docs/picture.py")
    session.run("python", "docs/life.py")
