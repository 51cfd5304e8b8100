from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from kontext_rx import adserver

MODULES = [
    "kontext_rx.adserver",
    *(f"kontext_rx.adserver.{module.name}" for module in pkgutil.iter_modules(adserver.__path__)),
]


def test_what_is_public_is_listed() -> None:
    """Every name that the package imports for others, and no other."""
    named = {name for name, value in vars(adserver).items() if not name.startswith("_") and not is_module(value)}
    assert set(adserver.__all__) == (named - {"annotations"}) | {"answers"}


def is_module(value: object) -> bool:
    return type(value).__name__ == "module"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_is_public(name: str) -> None:
    """With an `__all__` of names that are there, and a docstring."""
    module = importlib.import_module(name)
    assert module.__doc__
    assert all(hasattr(module, one) for one in module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_the_ad_server_knows_the_protocol_and_not_us(name: str) -> None:
    """It imports nothing of the package that it is there to test."""
    path = importlib.import_module(name).__file__
    assert path is not None
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            assert not (node.module or "").startswith("kontext_rx")
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("kontext_rx") for alias in node.names)


def test_importing_the_package_does_not_import_the_ad_server() -> None:
    """A server that nobody asked for costs nothing."""
    code = "import sys, kontext_rx; sys.exit(any(name.startswith('kontext_rx.adserver') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
