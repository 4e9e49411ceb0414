"""The checker sees what it is there to see: every planted bug is caught, and the same scenario passes without it."""

from __future__ import annotations

import pytest

from .arena import Arena
from .planted import BUGS, Bug

pytestmark = pytest.mark.django_db

every_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))


@every_bug
def test_the_checker_catches(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = Arena(bug.setup)
    bug.plant(monkeypatch)
    with pytest.raises(AssertionError):
        bug.scenario(arena)


@pytest.mark.parametrize(
    "bug", {bug.scenario: bug for bug in BUGS}.values(), ids=lambda bug: bug.scenario.__name__
)
def test_the_scenario_passes_without_the_bug(bug: Bug) -> None:
    bug.scenario(Arena(bug.setup))
