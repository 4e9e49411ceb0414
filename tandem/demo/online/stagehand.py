"""People at work in the online apps: random edits through the apps' own API, at a rate, until they are sent home."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from tandem.demo.apps import DemoProblem
from tandem.demo.online.apps import OnlineApps
from tandem.demo.online.cases import CASES
from tandem.demo.stagehand import CONFLICTS, DELETIONS, RATE, TELL_SECONDS

#: So many records of each app people choose from.
MANY: Final = 300


class OnlineStagehand:
    """``step`` does what is due now; whoever calls it waits in between. What it must know stands with the apps."""

    def __init__(
        self, apps: OnlineApps, say: Callable[[str], object], now: Callable[[], float] = time.time
    ) -> None:
        self.apps, self.say, self.now = apps, say, now
        self.done: Counter[str] = Counter()
        self.numbers: list[str] = []
        self.random = random.Random()
        self.since: float | None = None
        self.next_edit = self.next_tell = 0.0

    def step(self) -> None:
        """An app that does not answer is none of its errors: it tries again at the next step."""
        try:
            work = self.apps.erp.state()["work"]
            if work is None:
                if self.since is not None:
                    self.say("People went home.")
                self.since = None
                return
            if work["since"] != self.since:
                self._begin(work)
            while self.now() >= self.next_edit:
                self.next_edit += 60 / RATE
                self._edit()
            if self.now() >= self.next_tell:
                self.next_tell = self.now() + TELL_SECONDS
                self.apps.erp.tell(work={**work, "done": dict(self.done), "told": self.now()})
        except DemoProblem as fault:
            self.next_edit = self.now() + 60 / RATE
            self.say(str(fault))

    def _begin(self, work: dict[str, Any]) -> None:
        self.since = work["since"]
        self.done = Counter(work["done"])
        self.random = random.Random(int(work["since"]))
        with self.apps.crm.person("jane.smith") as desk:
            found = desk.find("accounts", "customertypecode eq 3", top=MANY)
        cases = {each.key for each in CASES}
        self.numbers = [row["accountnumber"] for row in found if row["accountnumber"] not in cases]
        self.next_edit = self.now()

    def _edit(self) -> None:
        if not self.numbers:
            return
        number, dice = self.random.choice(self.numbers), self.random.random()
        try:
            self._do(number, dice)
        except LookupError:  # somebody deleted it
            self.numbers.remove(number)

    def _do(self, number: str, dice: float) -> None:
        if dice < DELETIONS:
            self._delete(number)
            self.numbers.remove(number)
        elif dice < DELETIONS + CONFLICTS:
            self._in_erp(number)
            self._in_crm(number)
            self.done["in both"] += 1
        elif self.random.random() < 0.5:
            self._in_erp(number)
        else:
            self._in_crm(number)

    def _phone(self) -> str:
        return f"+31 20 555 {self.random.randrange(10_000):04}"

    def _in_erp(self, number: str) -> None:
        with self.apps.erp.person("a.bakker") as desk:
            desk.change("customers", f"number eq '{number}'", {"phoneNumber": self._phone()})
        self.done["edited"] += 1

    def _in_crm(self, number: str) -> None:
        with self.apps.crm.person("jane.smith") as desk:
            desk.change("accounts", f"accountnumber eq '{number}'", {"telephone1": self._phone()})
        self.done["edited"] += 1

    def _delete(self, number: str) -> None:
        with self.apps.crm.person("ola.larsen") as desk:
            desk.delete("accounts", f"accountnumber eq '{number}'")
        self.done["deleted"] += 1

    def close(self) -> None:
        """Nothing is held between two steps."""
