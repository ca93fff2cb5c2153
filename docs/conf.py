"""Sphinx configuration of the documentation site; `make docs-check` builds it strictly."""

import hashlib
import sys
from importlib.resources import files
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.tools.tables import broken_tables  # noqa: E402 - found through the line above

project = "EUGuess"
copyright = "the EUGuess authors; Apache-2.0"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["tools"]
highlight_language = "bash"
html_theme = "furo"
html_title = "EUGuess"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"sidebar_hide_name": False}
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
myst_fence_as_directive = ["mermaid"]
suppress_warnings = ["myst.header"]  # README and CHANGELOG skip heading levels

# The site serves Mermaid itself, so that diagrams need no network. The wheel `mermaidx` contains
# the script from Mermaid's npm release; the digest verifies it.
MERMAID_VERSION = "11.16.0"
MERMAID_SHA256 = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
MERMAID_MODULE = "mermaid.mjs"
mermaid_use_local = MERMAID_MODULE
mermaid_fullscreen = False
mermaid_height = "auto"
mermaid_dark_theme = mermaid_light_theme = "default"  # on a white card, see site.css


def _add_mermaid(app: Sphinx) -> None:
    script = files("mermaidx").joinpath("assets/mermaid.js").read_bytes()
    if hashlib.sha256(script).hexdigest() != MERMAID_SHA256:
        raise ExtensionError(f"mermaidx does not contain Mermaid {MERMAID_VERSION}; check conf.py.")
    module = script + b"\nexport default globalThis.mermaid;\n"
    target = Path(app.outdir) / "_static" / MERMAID_MODULE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(module)


def _check_tables(app: Sphinx, docname: str, source: list[str]) -> None:
    for fault in broken_tables(source[0]):
        logging.getLogger(__name__).warning(f"broken table, {fault}", location=docname)


def setup(app: Sphinx) -> None:
    """Register the checks of tables, and Mermaid without a network."""
    app.connect("builder-inited", _add_mermaid)
    app.connect("source-read", _check_tables)
