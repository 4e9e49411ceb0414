"""``python -m tests.odata dataverse --port 8101 --file dataverse.log``: one service until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.plain import PlainServer
from tests.odata.server import Server

KINDS: dict[str, type[DataverseServer] | type[BusinessCentralServer] | type[PlainServer]] = {
    each.kind: each for each in (DataverseServer, BusinessCentralServer, PlainServer)
}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.odata", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--file", type=Path, help="where rows are kept between two runs")
    given = parser.parse_args(words)
    server: Server = KINDS[given.kind](port=given.port, file=given.file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(f"{server.kind}: {server.url}\ntoken: {server.token_url}\n")
    sys.stdout.write(f"client: {server.client_id}  secret: {server.client_secret}\n")
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.service.store.close()


if __name__ == "__main__":
    main(sys.argv[1:])
