"""Whatever people and faults do: afterwards both apps agree, nothing exists twice, and no edit is lost without a word."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from .machine import Convergence

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LONG = bool(os.environ.get("TANDEM_LONG"))
CI = bool(os.environ.get("CI"))


@pytest.mark.timeout(7200 if LONG else 400)
def test_both_apps_agree_when_faults_have_stopped() -> None:
    """``TANDEM_LONG=1`` tries much more; ``CI`` makes the examples the same each time. A failure prints its blob."""
    run_state_machine_as_test(
        Convergence,
        settings=settings(
            max_examples=int(os.environ.get("TANDEM_EXAMPLES", "2000" if LONG else "60")),
            stateful_step_count=40 if LONG else 16,
            deadline=None,
            derandomize=CI,
            print_blob=True,
            database=None if CI else DirectoryBasedExampleDatabase(".hypothesis/convergence"),
            suppress_health_check=list(HealthCheck),
            phases=[
                phase for phase in Phase if phase is not Phase.shrink or not os.environ.get("TANDEM_UNSHRUNK")
            ],
        ),
    )
