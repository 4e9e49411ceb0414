"""The first two minutes of the online demo: everything is synchronized once, people work, then the schedules take over."""

from __future__ import annotations

import time
from functools import partial

from tandem.demo import opening
from tandem.demo.online.apps import OnlineApps
from tandem.demo.online.people import play
from tandem.demo.online.setup import INTEGRATION
from tandem.demo.people import Pause, Say


def run(apps: OnlineApps, say: Say, *, patience: float = 600, pause: Pause = time.sleep) -> bool:
    """Everything, in order. False where the records were not coupled in ``patience`` seconds."""
    start = partial(opening.start_schedules, INTEGRATION)
    opening.first_pass(say, pause=pause, integration=INTEGRATION)
    played = play(apps, say, patience=patience, pause=pause, met=start)
    start()
    return played
