"""Whatever people and faults do: afterwards both apps agree, nothing exists twice, and no edit is lost without a word.

The examples are the same each time; ``TANDEM_EXPLORE=1`` draws others, ``TANDEM_LONG=1`` draws many more,
``TANDEM_EXAMPLES`` says how many. A failure prints the steps, everything that was done, and the line that repeats it; making
it small takes minutes, ``TANDEM_UNSHRUNK=1`` leaves that out.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from .machine import Convergence

LONG = bool(os.environ.get("TANDEM_LONG"))
EXPLORE = LONG or bool(os.environ.get("TANDEM_EXPLORE"))
EXAMPLES = int(os.environ.get("TANDEM_EXAMPLES", "2000" if LONG else "40"))
SHRINKS = not os.environ.get("TANDEM_UNSHRUNK")

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.mark.timeout(4 * 3600 if LONG else 900)  # shrinking a failure may take five minutes
def test_both_apps_agree_when_faults_have_stopped() -> None:
    run_state_machine_as_test(
        Convergence,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40 if LONG else 16,
            derandomize=not EXPLORE,
            print_blob=True,
            database=DirectoryBasedExampleDatabase(".hypothesis/convergence") if EXPLORE else None,
            suppress_health_check=list(HealthCheck),
            phases=[phase for phase in Phase if SHRINKS or phase is not Phase.shrink],
        ),
    )
