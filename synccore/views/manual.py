"""Pages of the documentation for somebody who has only the browser: how an integration user is made in an app.

What is shown is the text of ``docs/``, in English, so that it is written once.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGES: Final = ("integration-users", "integration-users-services")


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """One page of the documentation; 404 for any that is not shown here."""
    if name not in PAGES:
        raise Http404
    title, text = _shown(name)
    return render(request, "synccore/manual.html", {"page_title": title, "text": text})


@cache
def _shown(name: str) -> tuple[str, SafeString]:
    """Title and text of a page as HTML. Headings have ids, without their number: ``## 2. Dataverse`` is ``#dataverse``."""
    parser = MarkdownIt("js-default", {"typographer": False})  # HTML in the text is shown as text
    tokens = parser.parse((settings.BASE_DIR / "docs" / f"{name}.md").read_text(encoding="utf-8"))
    title = tokens[1].content
    tokens = tokens[3:]
    for heading, content in zip(tokens, tokens[1:], strict=False):
        if heading.type == "heading_open":
            heading.attrSet("id", slugify(content.content.lstrip("0123456789. ")))
    for token in tokens:
        token.children = _links_that_lead_somewhere(token.children) if token.children else token.children
    return title, mark_safe(parser.renderer.render(tokens, parser.options, {}))


def _links_that_lead_somewhere(tokens: list[Token]) -> list[Token]:
    """A link to another page of the documentation leads to it where it is shown here, else its words stand alone."""
    kept: list[Token] = []
    dead = False
    for token in tokens:
        if token.type == "link_open":
            file, _, anchor = str(token.attrGet("href")).partition("#")
            dead = file.removesuffix(".md") not in PAGES
            token.attrSet("href", "" if dead else reverse("synccore:manual", args=[file.removesuffix(".md")]))
            if anchor and not dead:
                token.attrSet("href", f"{token.attrGet('href')}#{anchor}")
        if dead and token.type in ("link_open", "link_close"):
            continue
        kept.append(token)
    return kept
