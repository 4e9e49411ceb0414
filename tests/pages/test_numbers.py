"""The menu's number is the page's number, for everybody."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse

#: The page, and the tab whose count the menu shows ("": the one it opens with).
NUMBERED = (("coupling:coupled", "all"), ("coupling:skipped", ""), ("errors:entries", ""))


def in_the_menu(text: str, where: str) -> int:
    """The number beside this page's link; 0 where there is none."""
    entry = re.search(rf'<nav id="navigation".*?<a href="{where}"(.*?)</a>', text, re.DOTALL)
    assert entry, where
    number = re.search(r'class="menu-count[^"]*"[^>]*>([\d,.]+)<', entry[1])
    return int(re.sub(r"\D", "", number[1])) if number else 0


@pytest.mark.parametrize("who", ["administrator", "owner", "viewer"])
@pytest.mark.parametrize(("name", "tab"), NUMBERED)
def test_the_menu_shows_what_the_page_counts(request, world, as_user, who, name, tab):
    browser = as_user(request.getfixturevalue(who))
    where = reverse(name)
    answer = browser.get(f"{where}?tab={tab}" if tab else where)
    context, text = answer.context, unescape(answer.content.decode())
    (current,) = [link for link in context["tabs"] if link.current]
    shown = list(context["table"].row_list)
    assert in_the_menu(text, where) == len(shown)
    if current.count is not None:
        assert current.count.n == len(shown)


@pytest.mark.parametrize("who", ["administrator", "owner", "viewer"])
def test_the_four_tabs_add_up_to_all(request, world, as_user, who):
    tabs = as_user(request.getfixturevalue(who)).get(reverse("coupling:coupled")).context["tabs"]
    counts = {link.tab.name: link.count.n for link in tabs if link.count is not None}
    four = ("needs_you", "with_the_administrator", "waiting", "will_retry")
    assert sum(counts[name] for name in four) == counts["all"]
    assert counts["all"] > 0
