"""Decides how the pages become a site: they are plain Markdown first. `make docs` builds it into build/site."""

import re

project = "reportdl"
author = "the reportdl authors"
copyright = "the reportdl authors"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
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


def setup(app):
    app.connect("source-read", _with_tree)
