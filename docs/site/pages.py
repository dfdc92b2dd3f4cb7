"""What the site has beyond what a code host shows: navigation, and the docstrings.

The pages are plain Markdown, read on a code host as well. So nothing of Sphinx stands in them:

- a list of pages (``docs/index.md``) becomes the navigation, section by section,
- a row ``| `pynenc_pg.Name` | … |`` in a page of ``docs/reference/api`` gets what is told of that
  name below its table: signature, docstring, members.
"""

from __future__ import annotations

import importlib
import inspect
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

#: Pages that list others, in the order in which they may claim them.
LISTS: Final = ("docs/index", "docs/decisions/README", "examples/README")
API: Final = "docs/reference/api/"
LINK: Final = re.compile(r"\]\(([^)\s#:]+\.md)(?:#[^)\s]*)?\)")
FOLDER: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+)/?\)")
ROW: Final = re.compile(r"^\| `(pynenc_pg[\w.]*)` \|", re.MULTILINE)
TABLE: Final = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
#: What a code host calls a language, and what Pygments does.
LANGUAGES: Final = (("mermaid", "text"), ("sql", "postgresql"))


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx ask for each page."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Any, docname: str, source: list[str]) -> None:
    root = Path(app.srcdir)
    text = source[0]
    for theirs, ours in LANGUAGES:
        text = re.sub(rf"^```{theirs}$", f"```{ours}", text, flags=re.MULTILINE)
    text = FOLDER.sub(lambda found: _of_folder(root, docname, found), text)
    if docname in LISTS:
        text += "\n" + "\n".join(_navigation(root, docname, text))
    if docname.startswith(API):
        text = TABLE.sub(_told, text)
    source[0] = text


def _of_folder(root: Path, docname: str, found: re.Match[str]) -> str:
    """Lead a link to a folder to its README, which a code host shows there."""
    there = posixpath.normpath(posixpath.join(posixpath.dirname(docname), found[2]))
    if not (root / there).is_dir():
        return found[0]
    return f"[{found[1]}]({found[2].rstrip('/')}/README.md)" if _readme(root / there) else found[1]


def _readme(folder: Path) -> bool:
    return (folder / "README.md").is_file()


def _pages(docname: str, text: str) -> Iterator[str]:
    """The pages that a text links to, from the top of the checkout, each once."""
    seen = set()
    for target in LINK.findall(text):
        page = posixpath.normpath(posixpath.join(posixpath.dirname(docname), target))
        if page not in seen and page != f"{docname}.md":
            seen.add(page)
            yield page.removesuffix(".md")


def _navigation(root: Path, docname: str, text: str) -> Iterator[str]:
    """A hidden table of contents for each section: of the pages that no earlier one has."""
    placed = set(LISTS[:1])
    for earlier in LISTS[: LISTS.index(docname)]:
        placed |= set(_pages(earlier, (root / f"{earlier}.md").read_text(encoding="utf-8")))
    introduction, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    for section in sections or [introduction]:
        found = [page for page in _pages(docname, section) if page not in placed]
        placed |= set(found)
        if found:
            caption = section.partition("\n")[0].partition(":")[0]
            head = [f":caption: {caption}"] if docname == LISTS[0] else []
            entries = [f"/{page}" for page in found]
            yield "\n".join(["```{toctree}", ":hidden:", *head, "", *entries, "```", ""])


def _told(table: re.Match[str]) -> str:
    """The table, its names as links, and what is told of each."""
    names = ROW.findall(table[0])
    if not names:
        return table[0]
    linked = ROW.sub(lambda found: f"| {{py:obj}}`{found[1]}` |", table[0])
    return "\n".join([linked, "```{eval-rst}", *(_directive(name) for name in names), "```", ""])


def _directive(name: str) -> str:
    module, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(module), attribute)
    if not inspect.isclass(found):
        kind = "function" if callable(found) else "data"
        return f".. auto{kind}:: {name}\n"
    if issubclass(found, BaseException):
        return f".. autoexception:: {name}\n   :show-inheritance:\n"
    # Inherited members, but not those of what is not ours: a str has many.
    others = sorted({one.__name__ for one in found.__mro__ if not _ours(one)} | {"object"})
    return f".. autoclass:: {name}\n   :members:\n   :inherited-members: {', '.join(others)}\n"


def _ours(found: type) -> bool:
    return found.__module__.startswith("pynenc_pg")
