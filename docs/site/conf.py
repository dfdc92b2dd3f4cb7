"""How Sphinx makes a site of the pages: ``make docs``.

The source folder is the whole checkout, since pages link to the README beside ``docs``; which files
are pages is said here. Nothing is fetched, neither now nor by the pages.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]

from pynenc_pg import __version__  # noqa: E402 - the checkout's, whatever is installed

project = "pynenc_pg"
author = "the authors of pynenc_pg"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "pages"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/**/*.md",
    "examples/README.md",
    "examples/**/README.md",
]

# --- pages ----------------------------------------------------------------------------------------

#: Links to headings, named as code hosts name them.
myst_heading_anchors = 4
#: A list of decisions, and the changelog, repeat headings on purpose.
suppress_warnings = ["myst.header"]
#: What a table says in code is code: quotes stay as they are typed.
smartquotes = False

# --- the reference of the code --------------------------------------------------------------------

autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
#: Every name in a signature that is ours and public must be on a page. The rest is of others, who
#: have pages of their own, or is nothing that users make or keep.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!pynenc_pg\.).*"),
    ("py:.*", r"pynenc_pg\.(calls|components|conf|engine|memory|ports|postgres|runner|wiring)\b.*"),
    ("py:.*", r"pynenc_pg\.trigger\.(arguments|conditions|trigger_builder)\..*"),
    ("py:.*", r"pynenc_pg\.workflow\.(place|run|saga)\..*"),
    ("py:.*", r"pynenc_pg\.domain\.ids\..*"),  # texts
    ("py:.*", r".*\.[A-Z]\d?(_co)?"),  # variables of types
]

# --- how it looks ---------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"pynenc_pg {release}"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["root"]
#: A summary is fetched from the page, which a browser refuses to do for files.
html_show_search_summary = False
