"""The system's Chromium against a live server. Skipped where there is none."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.pages.conftest import administrator, clean_up, full, owner, viewer, world  # noqa: F401  (fixtures)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Milliseconds that a page may take to become what is expected of it; the machine may have other work to do.
PATIENCE = 60_000
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCREENSHOTS = Path(__file__).parent.parent.parent / "test-results" / "screenshots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(600))  # axe looks at one page after the other
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from django.db import connections
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)

    # The driver's loop runs in this thread; Django would refuse the database to it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
        # Django keeps the connections of a thread whose loop runs apart from those of one without: nobody finds them again.
        connections.close_all()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")


def _heard(page: Any) -> None:
    """Keys wait until the page has arrived: before that nobody hears them, and its scripts may yet move the focus."""

    def after_arrival(work: Any) -> Any:
        def pressed(*given: Any, **more: Any) -> None:
            page.wait_for_load_state()
            work(*given, **more)

        return pressed

    for name in ("press", "type"):
        setattr(page.keyboard, name, after_arrival(getattr(page.keyboard, name)))


class Gate:
    """Stands before the live server. Closed it waits for who is inside and lets nobody in: the tables are emptied after a
    test, and a request of a page that is gone by then would be in their way (a deadlock), or find the next test's."""

    def __init__(self, app: Any) -> None:
        self.app, self.is_open, self.inside = app, False, 0
        self.changed = threading.Condition()

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        with self.changed:
            if not self.is_open:
                start_response("503 Closed", [("Content-Length", "0")])
                return
            self.inside += 1
        try:
            with closing(self.app(environ, start_response)) as answer:
                yield from answer
        finally:
            with self.changed:
                self.inside -= 1
                self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.is_open = False
            assert self.changed.wait_for(lambda: not self.inside, timeout=PATIENCE / 1000), (
                "a request does not end"
            )


@pytest.fixture(scope="session")
def gate(live_server) -> Gate:
    made = Gate(live_server.thread.httpd.get_app())
    live_server.thread.httpd.set_app(made)
    return made


class Windows:
    """Windows of the browser that the tests use one after the other: to open and close one takes longer than most of a
    test. A test has tabs of its own in it; what those leave behind is cookies and stored choices, which are cleared."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser, self.url = browser, url
        self.idle: dict[bool, list[Any]] = {True: [], False: []}

    def take(self, *, scripts: bool) -> Any:
        """The context of a window that nobody uses; its first tab stays empty and keeps it open."""
        if self.idle[scripts]:
            return self.idle[scripts].pop()
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": 1440, "height": 900},
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE)
        context.new_page()
        return context

    def give_back(self, context: Any, *, scripts: bool) -> None:
        """As if nobody had been there, for the next test."""
        empty, *tabs = context.pages
        for tab in tabs:
            tab.close()
        context.clear_cookies()
        session = context.new_cdp_session(empty)
        session.send("Storage.clearDataForOrigin", {"origin": self.url, "storageTypes": "all"})
        session.detach()
        self.idle[scripts].append(context)

    def close(self) -> None:
        for context in (*self.idle[True], *self.idle[False]):
            context.close()


@pytest.fixture(scope="session")
def windows(chromium, live_server) -> Iterator[Windows]:
    made = Windows(chromium, live_server.url)
    yield made
    made.close()


@pytest.fixture
def open_browser(windows, live_server, gate) -> Iterator[Any]:
    """``open_browser(person, dark=False, width=1440, height=900, scripts=True)``: a page, signed in; fails on a script
    error. Every call has a window and cookies of its own. ``alone=True`` for a test that changes the whole window, its
    clock or its permissions: nobody uses it afterwards."""
    from django.test import Client

    shared, own, errors = [], [], []

    def open_(
        person: Any = None,
        *,
        dark: bool = False,
        width: int = 1440,
        height: int = 900,
        scripts: bool = True,
        alone: bool = False,
    ) -> Any:
        context = windows.take(scripts=scripts)
        (own if alone else shared).append((context, scripts))
        if person is not None:
            client = Client()
            client.force_login(person)
            cookie = client.cookies["sessionid"]
            context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        _heard(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        return page

    gate.is_open = True
    yield open_
    for context, _scripts in own:
        context.close()
    for context, scripts in shared:
        windows.give_back(context, scripts=scripts)
    gate.close()
    ours = [each for each in errors if "status of 4" not in each]
    assert not ours, ours
