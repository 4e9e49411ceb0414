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

from bench import bare
from bench.world import World, couple_all, fill, touch_all, world
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
        f"{what:<34}{n:>10,}{mine:>10.2f} s{other:>10.2f} s{n / mine:>12,.0f}/s{n / other:>12,.0f}/s{other / mine:>8.2f}",
        flush=True,
    )


def main(n: int = 100_000, many: int = 1_000_000, *, profile: bool = True) -> None:
    call_command("migrate", verbosity=0)
    print(f"{'':<34}{'rows':>10}{'Tandem':>12}{'bare':>12}{'Tandem':>14}{'bare':>14}{'ratio':>8}")
    with world("ours") as mine, world("bare") as other:
        for place in (mine, other):
            fill(place.left, "customer", n)
        took = timed(lambda: ours(mine))
        line("creates", n, took, timed(lambda: bare.create(other.left, other.right)))
        for place in (mine, other):
            touch_all(place.left, "customer")
        took = timed(lambda: ours(mine))
        line("changes", n, took, timed(lambda: bare.change(other.left, other.right)))
        if profile:
            touch_all(mine.left, "customer")
            largest_costs(lambda: ours(mine))
    for size in (10_000, many):
        with world("still") as still:
            for dsn, table in ((still.left, "customer"), (still.right, "account")):
                fill(dsn, table, size)
            couple_all(still.mapping, still.left, still.right)
            first = timed(lambda: ours(still))  # reads everything once and finds it agreed  # noqa: B023
            line(
                "first pass, everything agreed",
                2 * size,
                first,
                timed(lambda: bare.compare(still.left, still.right)),
            )  # noqa: B023
            time.sleep(1.5)
            quiet = sorted(timed(lambda: ours(still)) for _ in range(5))[2]  # noqa: B023
            line("run, nothing changed", size, quiet, timed(lambda: bare.nothing(still.left, still.right)))  # noqa: B023
            swept = timed(lambda: ours(still, "sweep"))  # noqa: B023
            line(
                "sweep, nothing changed",
                2 * size,
                swept,
                timed(lambda: bare.compare(still.left, still.right)),
            )  # noqa: B023


def largest_costs(run: Callable[[], object]) -> None:
    """Where our time goes: the functions with most own time, and what each part of a page costs in all."""
    profiler = cProfile.Profile()
    profiler.runcall(run)
    for order, rows in (("tottime", 12), ("cumtime", 45)):
        text = StringIO()
        pstats.Stats(profiler, stream=text).strip_dirs().sort_stats(order).print_stats(rows)
        print("\n".join(text.getvalue().splitlines()[4:]))
