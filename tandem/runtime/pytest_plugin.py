"""For pytest: PostgreSQL and Valkey of their own, up before Django reads its settings, down at the end.

Loaded by `-p` in pyproject.toml. With DATABASE_URL and REDIS_URL set nothing is started. The data is kept
between runs for speed and may be lost; two runs at the same time get two profiles (`test`, `test-2` …), and so does
every process of one run (`-n`, pytest-xdist): roles, databases and keys of one never meet those of another.
"""

import fcntl
import os
from collections.abc import Generator
from typing import IO

import pytest

from tandem.runtime.errors import RuntimeProblem
from tandem.runtime.places import CLONE
from tandem.runtime.services import VARIABLES, Services

SERVICES = pytest.StashKey[Services]()
LOCK = pytest.StashKey[IO[str]]()
MOST_RUNS = 16
#: The variables that the process which deals out the tests set for itself; its workers have servers of their own.
DEALER = "TANDEM_TEST_DEALER"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    os.environ["TANDEM_TESTING"] = "1"
    inherited = os.environ.pop(DEALER, "").split() if "PYTEST_XDIST_WORKER" in os.environ else []
    for name in ("TANDEM_DEMO", "TANDEM_DEBUG", *inherited):
        os.environ.pop(name, None)
    given = [name for name in VARIABLES if os.environ.get(name)]
    if given and getattr(early_config.known_args_namespace, "numprocesses", None):
        raise pytest.UsageError(f"With {' and '.join(given)} set the tests run in one process: add -n 0.")
    try:
        services = _services(early_config).start()
    except RuntimeProblem as problem:
        raise pytest.UsageError(str(problem)) from None
    early_config.stash[SERVICES] = services
    early_config.add_cleanup(services.stop)
    os.environ[DEALER] = " ".join(services.environment.keys() - os.environ.keys())
    os.environ.update(services.environment)
    return (yield)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Three processes for two cores: each waits for its servers, its browser or a clock about a quarter of the time."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (3 * cores + 1) // 2


def _services(config: pytest.Config) -> Services:
    """The first profile that no other run uses; the lock is held until this process ends."""
    folder = CLONE / ".tandem"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(1, MOST_RUNS + 1):
        profile = "test" if number == 1 else f"test-{number}"
        file = (folder / f"{profile}.run").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        config.stash[LOCK] = file
        config.add_cleanup(file.close)
        return Services(profile=profile)
    raise RuntimeProblem(f"{MOST_RUNS} test runs are under way in this clone; wait for one to end.")
