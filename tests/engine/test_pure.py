"""The engine runs without Django and without anything to connect to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(f"synccore.engine.{path.stem}" for path in (ROOT / "synccore/engine").glob("[!_]*.py"))


def test_engine_imports_no_framework() -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {[*MODULES, 'synccore.fingerprint']!r}: importlib.import_module(name)\n"
        "bad = {'django', 'celery', 'psycopg', 'redis', 'socket', 'structlog'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
