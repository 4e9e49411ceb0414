"""Our runs against the bare program, in one go on one machine: ``make bench``.

What counts is the ratio; absolute times are of this machine. Runs are taken in turn (ours, bare, ours, bare …).
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable
from io import StringIO

from django.core.management import call_command

from bench import bare, bare_memory
from bench.world import World, couple_all, fill, own_dsn, touch_all, world
from synccore import jobs
from synccore.models import SynchJob, TableMapping


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ours(place: World, scope: str = "changes") -> SynchJob:
    """One job of the mapping, in this process."""
    job = jobs.enqueue(verb="synchronise", mapping=TableMapping.objects.get(pk=place.mapping.pk), scope=scope)
    done = jobs.run(job.pk)
    assert done is not None and done.state == SynchJob.State.FINISHED, (
        done,
        done and done.code,
        done and done.params,
    )
    SynchJob.objects.filter(state=SynchJob.State.QUEUED).delete()
    return done


def line(what: str, n: int, mine: float, other: float) -> None:
    print(
        f"{what:<46}{n:>10,}{mine:>9.2f} s{other:>9.2f} s{n / mine:>11,.0f}/s{n / other:>11,.0f}/s{other / mine:>8.2f}",
        flush=True,
    )


def main(n: int = 100_000, many: int = 1_000_000, *, profile: bool = True) -> None:
    call_command("migrate", verbosity=0)
    print(f"{'':<46}{'rows':>10}{'Tandem':>11}{'bare':>11}{'Tandem':>13}{'bare':>13}{'ratio':>8}")
    own = own_dsn()
    with world("ours") as mine, world("bare") as other, world("kept") as kept:
        places = (mine, other, kept)
        for place in places:
            fill(place.left, "customer", n)
        took = timed(lambda: ours(mine))
        line(
            "creates, against the app's rows alone",
            n,
            took,
            timed(lambda: bare.create(other.left, other.right)),
        )
        full = timed(lambda: bare_memory.create(kept.left, kept.right, own))
        line("creates, against app, journal and memory", n, took, full)
        for place in places:
            touch_all(place.left, "customer")
        took = timed(lambda: ours(mine))
        line(
            "changes, against the app's rows alone",
            n,
            took,
            timed(lambda: bare.change(other.left, other.right)),
        )
        full = timed(lambda: bare_memory.change(kept.left, kept.right, own))
        line("changes, against app, journal and memory", n, took, full)
        if profile:
            touch_all(mine.left, "customer")
            largest_costs(lambda: ours(mine))
    for size in (10_000, many):
        still_standing(size)


def still_standing(size: int) -> None:
    """Runs over couplings of which nothing changed."""
    with world("still") as still:
        for dsn, table in ((still.left, "customer"), (still.right, "account")):
            fill(dsn, table, size)
        couple_all(still.mapping, still.left, still.right)
        first = timed(lambda: ours(still))  # reads everything once and finds it agreed
        line("first pass, all agreed", 2 * size, first, timed(lambda: bare.compare(still.left, still.right)))
        quiet = sorted(timed(lambda: ours(still)) for _ in range(5))[2]
        line("run, nothing changed", size, quiet, timed(lambda: bare.nothing(still.left, still.right)))
        swept = timed(lambda: ours(still, "sweep"))
        line("sweep, nothing changed", 2 * size, swept, timed(lambda: bare.compare(still.left, still.right)))


def largest_costs(run: Callable[[], object]) -> None:
    """Where our time goes: the functions with most own time, and what each part of a page costs in all."""
    profiler = cProfile.Profile()
    profiler.runcall(run)
    for order, rows in (("tottime", 12), ("cumtime", 45)):
        text = StringIO()
        pstats.Stats(profiler, stream=text).strip_dirs().sort_stats(order).print_stats(rows)
        print("\n".join(text.getvalue().splitlines()[4:]))
