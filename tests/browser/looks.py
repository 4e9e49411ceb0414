"""Looking at a page: a picture for people, axe for what a machine can find, and no sideways scrolling."""

from __future__ import annotations

import os
from typing import Any

from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import SCREENSHOTS

#: Pictures are for people: a run of several processes (make test) takes none unless it is told to.
PICTURES = "PYTEST_XDIST_WORKER" not in os.environ or bool(os.environ.get("TANDEM_PICTURES"))
WIDE, NARROW, SMALLEST = (1440, 900), (390, 844), (320, 640)
#: What axe looks for: colours differ by tone, what is there by width. A dark page has the same elements as the light one.
_COLOURS = ["color-contrast", "link-in-text-block"]
_AXE: dict[tuple[int, str], list[str] | None] = {
    (WIDE[0], "light"): None,
    (WIDE[0], "dark"): _COLOURS,
    (NARROW[0], "light"): None,
}


def arrived(page: Any) -> None:
    """Waits until the page is there whole, with the parts that it asks for by itself: none of it is exchanged any more."""
    from playwright.sync_api import expect

    page.wait_for_load_state()
    expect(page.locator(".htmx-request, [aria-busy=true]")).to_have_count(0)


def axe(page: Any, rules: list[str] | None = None) -> list[str]:
    """What axe finds on the page as it is now, by all of its rules or by these. Its half megabyte is handed to a page
    once."""
    if page.evaluate("!window.axe"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate(
        "options => axe.run(options).then(results => results.violations.map("
        "each => ({id: each.id, nodes: each.nodes.map(node => ({html: node.html, why: node.failureSummary}))})))",
        {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})},
    )
    return [
        f"{each['id']}: {node['html'][:160]} {node.get('why', '')}"
        for each in found
        for node in each["nodes"]
    ]


def picture(page: Any, name: str, *, whole: bool = False) -> None:
    """A picture of what the window shows, or of the whole page, once it has arrived; kept with the test run's results. A
    busy machine gets a second try."""
    from playwright.sync_api import Error

    arrived(page)
    if not PICTURES:
        return
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    try:
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)
    except Error:
        page.wait_for_timeout(1000)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


def sideways(page: Any) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def resize(page: Any, width: int, height: int) -> None:
    """Another window, and the page laid out in it."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(
        "width => new Promise(done => (function look() { innerWidth === width ? done() : setTimeout(look, 10); })())",
        width,
    )


def check(page: Any, name: str, *, whole: bool = False) -> None:
    """A picture; fails on what axe finds and on sideways scrolling."""
    picture(page, name, whole=whole)
    assert not axe(page)
    assert sideways(page) <= 0, f"scrolls sideways by {sideways(page)} px"


def look_at(page: Any, name: str, *, whole: bool = False) -> None:
    """The page as it stands, wide and narrow, light and dark, and on the smallest screen; fails with all that was found.
    Layout and colours are the style sheets' alone: a page that was loaded once shows what it would if it were loaded so.
    Afterwards it is light, in the window it had."""
    found, before = [], page.viewport_size
    for width, height in (WIDE, NARROW, SMALLEST):
        resize(page, width, height)
        for tone in ("light", "dark") if width != SMALLEST[0] else ("light",):
            page.emulate_media(color_scheme=tone, reduced_motion="reduce")
            picture(page, f"{name}-{width}-{tone}", whole=whole)
            if (width, tone) in _AXE:
                found += [f"{width} {tone}: {each}" for each in axe(page, _AXE[width, tone])]
        if (more := sideways(page)) > 0:
            found.append(f"{width}: scrolls sideways by {more} px")
    resize(page, **before)
    assert not found, "\n".join(found)
