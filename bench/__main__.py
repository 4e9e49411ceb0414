"""``python -m bench [rows [many]]``: engine alone, then whole runs against the bare program, between two databases and
between two OData services, then the lists at size.

``python -m bench lists [problems [entries]]``: the lists alone. ``python -m bench odata [rows]``: the services alone.
``python -m bench matching [rows]``: match-based coupling.
"""

from __future__ import annotations

import gc
import logging
import os
import sys

import django
import structlog

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.settings")
    django.setup()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    from bench import engine, lists, matching, odata, synchronise

    gc.freeze()  # as a worker does
    if sys.argv[1:2] == ["lists"]:
        lists.main(*[int(text) for text in sys.argv[2:]])
    elif sys.argv[1:2] == ["odata"]:
        odata.main(*[int(text) for text in sys.argv[2:]])
    elif sys.argv[1:2] == ["matching"]:
        matching.main(*[int(text) for text in sys.argv[2:]])
    else:
        engine.main()
        synchronise.main(*[int(text) for text in sys.argv[1:]])
        odata.main()
        lists.main()
