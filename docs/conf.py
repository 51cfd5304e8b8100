"""How the documentation is built: Sphinx, MyST, furo; the reference comes from the docstrings."""

import importlib.metadata
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

project = "kontext_rx"
author = "the kontext_rx maintainers"
release = importlib.metadata.version("kontext-rx")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "deflist"]
exclude_patterns = ["_build"]
default_role = "code"
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 100
add_module_names = False

html_theme = "furo"
html_title = "kontext_rx"


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", read_docstring)


def read_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Google sections in functions and classes (an attribute's docstring is prose), and marbles as they are drawn."""
    drawn: list[str] = []
    for number, line in enumerate(lines):
        begins = line.startswith("    ") and (number == 0 or not lines[number - 1].strip())
        if begins and "--" in "".join(lines[number : number + 4]):
            drawn += ["::", ""]
        drawn.append(line)
    lines[:] = drawn
    if what in ("function", "method", "class", "exception"):
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, obj, options).lines()


# The ad server and the package each have a `Turn`; a name in a signature is looked up in both.
suppress_warnings = ["ref.python"]
