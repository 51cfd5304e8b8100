"""What is done to the project: `nox -s tests`, `lint`, `types`, `docs`, `demo`, `bench`."""

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
    session.install("-e", ".[cli]", *group("test"))
    env = {"COVERAGE_FILE": str(session.create_tmp()) + "/coverage"}
    cover = [] if session.posargs else ["--cov", "--cov-report=term", "--cov-fail-under=95"]
    session.run("pytest", *cover, *session.posargs, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    session.install("-e", ".[cli]", *group("types"))
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning fails it."""
    session.install("-e", ".[cli]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Conversations through real sessions, against the embedded ad server."""
    session.install("-e", ".[cli]")
    session.run("kontext-rx", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What a turn costs, beside a hand-written session; slow, and of no use on a busy machine."""
    session.install("-e", ".[cli]")
    session.run("python", "tests/benchmarks/turns.py", *session.posargs)


@nox.session
def picture(session: nox.Session) -> None:
    """Take the README's picture again, from the demo as it is."""
    session.install("-e", ".[cli]", *group("test"))
    session.run("python", "docs/picture.py")
