"""How the site is built: `make docs` runs Sphinx with it, every warning an error."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ["COLUMNS"] = "88"  # how wide argparse writes help

import _generated

import amorsize

project = "amorsize"
author = "The amorsize authors"
project_copyright = author
release = version = amorsize.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_static"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "attrs_inline"]
# Diagrams stay text: to draw them takes a script from another host.
suppress_warnings = ["misc.highlighting_failure"]

default_role = "code"  # docstrings write `name`, as the pages do
nitpicky = True
nitpick_ignore_regex = [
    # Types in signatures are no links: most are Python's own.
    (r"py:class", r".*"),
    (r"py:exc", r"[A-Z]\w+|Exception"),
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes_style")]
python_maximum_signature_line_length = 70

html_theme = "furo"
html_title = "amorsize"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# Summaries are fetched from the pages, which a browser refuses where these are files in a folder.
html_show_search_summary = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
# Code that is typed is copied without its prompts.
pygments_style = "default"
pygments_dark_style = "monokai"


def setup(app):
    """Fill in what is generated from the code."""
    app.connect("source-read", _generated.fill_in)
    app.connect("autodoc-process-signature", _generated.without_unknown)
