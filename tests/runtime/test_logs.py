"""What stands in the logs of a production process."""

import json
import logging
import os
import subprocess
import sys

from tandem.runtime.places import CLONE

CODE = """
import logging, structlog
from tandem import logs
logs.configure(human=False, level="INFO")
structlog.contextvars.bind_contextvars(job=7)
def fail():
    password = "hunter2-very-secret"
    raise ValueError("refused")
try:
    fail()
except ValueError:
    logging.getLogger("some.module").exception("It failed", extra={"mapping": "customers"})
"""


def test_a_line_is_json_with_job_and_traceback_but_without_the_values_of_variables():
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=CLONE, env=os.environ, capture_output=True, text=True, check=True
    )
    line = json.loads(done.stderr)
    assert (line["event"], line["logger"], line["job"], line["mapping"]) == (
        "It failed",
        "some.module",
        7,
        "customers",
    )
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in done.stderr


def test_the_root_logger_has_one_handler_of_ours():
    ours = [each for each in logging.getLogger().handlers if each.get_name() == "tandem"]
    assert len(ours) == 1
