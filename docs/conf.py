"""Decides how the pages become a site: they are plain Markdown first. `make docs` builds it into build/site.

The site loads nothing from elsewhere: diagrams are drawn when it is built, in the colours of day and of night.
"""

import base64
import re
from functools import cache

import mermaidx
from docutils import nodes
from docutils.parsers.rst import Directive

project = "reportdl"
author = "the reportdl authors"
copyright = "the reportdl authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "README"
exclude_patterns = ["examples", "Thumbs.db"]
html_theme = "furo"
html_title = "reportdl"
html_show_sourcelink = False
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
# Pages are reached by links, as in a repository, and not by a tree; links out of docs/ lead to files, which stay text.
suppress_warnings = ["toc.not_included", "myst.xref_missing", "misc.highlighting_failure"]


def _with_tree(app, name, source):
    """The front page's own links become the site's menu, so that it is written once."""
    if name != root_doc:
        return
    tree = []
    for heading, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", source[0], re.MULTILINE):
        pages = dict.fromkeys(re.findall(r"\]\(((?!\.\./|https?:)[^)#]+)\.md", body))
        tree += ["", "```{toctree}", ":hidden:", f":caption: {heading}", *pages, "```"]
    source[0] += "\n".join(tree) + "\n"


@cache
def _drawn(source, theme):
    picture = mermaidx.render(source, theme=theme).svg()
    width = re.search(r"max-width: *(\d+)", picture)  # without it, a small diagram is as wide as the page
    said = f' width="{width[1]}"' if width else ""
    return f'{said} src="data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"'


class _Diagram(Directive):
    """A fence of Mermaid, which a repository draws by itself, as a picture in the page."""

    has_content = True

    def run(self):
        source = "\n".join(self.content) + "\n"
        words = re.sub(r"\W+", " ", source.partition("\n")[0]).strip()
        pictures = [
            f'<img class="only-{when}" alt="{words}"{_drawn(source, theme)}>'
            for when, theme in (("light", "default"), ("dark", "dark"))
        ]
        return [nodes.raw("", "\n".join(pictures), format="html")]


def setup(app):
    app.add_directive("mermaid", _Diagram)
    app.connect("source-read", _with_tree)
