"""Starting a child that never outlives us, and ending it politely, then firmly."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1


def end_with_parent(how: int = signal.SIGTERM, parent: int | None = None) -> None:
    """Asks the kernel to signal this process when its parent dies (Linux; elsewhere nothing happens).

    `parent` is the pid the parent is expected to have: if it died before we asked, we end at once.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, how, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), how)


def child_setup(how: int = signal.SIGTERM) -> Callable[[], None]:
    """What a child does between fork and exec. After the change of user: that would clear the request."""
    parent = os.getpid()

    def setup() -> None:
        end_with_parent(how, parent)

    return setup


def start(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int | None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    uid: int | None = None,
    gid: int | None = None,
    how: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own, so that Ctrl-C reaches us alone and we choose the order.

    `how` is the signal the kernel sends it if we die without having ended it.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log is not None else None,
        env=env,
        cwd=cwd,
        user=uid,
        group=gid,
        extra_groups=[] if uid is not None else None,
        start_new_session=True,
        preexec_fn=child_setup(how),
    )


def stop(child: subprocess.Popen[bytes], *, how: int = signal.SIGTERM, patience: float = 10.0) -> None:
    """Ends a child and everything in its session: asks, waits `patience` seconds, then kills."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.poll() is None:
        child.kill()
        child.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def program_of(pid: int) -> str:
    """The name of the program a pid runs; empty if there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    if sys.platform.startswith("linux"):
        return ""
    answer = subprocess.run(
        ["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return Path(answer.stdout.strip()).name


def wait_until(ready: Callable[[], bool], *, seconds: float, pause: float = 0.05) -> bool:
    """Polls `ready` until it says yes (True) or the time is over (False)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return True
        time.sleep(pause)
    return ready()
