"""Limits of what one run may delete or create."""

from __future__ import annotations

import pytest

from synccore.engine.brakes import Brakes, creations_limit, creations_stop, deletions_stop
from synccore.failures import Scope
from synccore.shapes import Side


@pytest.mark.parametrize(
    ("n", "couplings", "limit"),
    [
        (0, 0, None),
        (20, 10, None),
        (21, 10, 20),
        (20, 400, None),
        (21, 419, 20),
        (21, 420, None),
        (500, 10_000, None),
        (501, 10_000, 500),
    ],
)
def test_deletions(n: int, couplings: int, limit: int | None) -> None:
    stop = deletions_stop(n, couplings)
    if limit is None:
        assert stop is None
    else:
        assert stop is not None and stop.scope is Scope.TABLE
        assert (stop.code, stop.params) == (
            "too_many_deletions",
            {"count": n, "limit": limit, "couplings": couplings},
        )


def test_side_that_is_suddenly_empty() -> None:
    stop = deletions_stop(3, 3, Side.LEFT)
    assert stop is not None
    assert (stop.code, stop.params) == ("side_empty", {"side": "left", "couplings": 3})
    assert deletions_stop(0, 0, Side.LEFT) is None


@pytest.mark.parametrize(
    ("couplings", "holds_records", "limit"),
    [
        (0, False, None),
        (5_000, False, None),
        (0, True, 0),
        (1, True, 200),
        (2_000, True, 200),
        (5_000, True, 500),
    ],
)
def test_creations(couplings: int, holds_records: bool, limit: int | None) -> None:
    assert creations_limit(couplings, holds_records) == limit


def test_creations_beyond_the_limit() -> None:
    assert creations_stop(200, 7, 200) is None
    assert creations_stop(10**6, 7, None) is None
    stop = creations_stop(201, 7, 200)
    assert stop is not None
    assert (stop.code, stop.params) == ("too_many_creations", {"count": 201, "limit": 200, "couplings": 7})


def test_limits_of_a_mapping() -> None:
    brakes = Brakes(deletions_min=1, deletions_share=0.5, creations_min=3, creations_share=0.5)
    assert deletions_stop(5, 10, brakes=brakes) is None
    assert deletions_stop(6, 10, brakes=brakes) is not None
    assert creations_limit(10, True, brakes=brakes) == 5
    assert creations_limit(2, True, brakes=brakes) == 3
