"""A service that costs next to nothing, so that what is measured is the client.

`python3 service.py ROWS` has so many leads of the sandbox's shape on the bulk list, and the newest
of them on `leads list`. It looks at no key, and prints the variables that point a command at it.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SHAPES = 200  # leads that differ in more than their id


def leads() -> list[dict[str, Any]]:
    """SHAPES leads as the sandbox shows them; the id of each is `@`."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
    from sandbox.app import Sandbox
    from sandbox.demo import CREDENTIALS

    company, key = CREDENTIALS["company_id"], CREDENTIALS["amplify_api_key"]
    path = f"/api/enrich-leads/list?companyId={company}&limit={SHAPES}"
    with TemporaryDirectory() as folder:
        app = Sandbox(Path(folder, "db"), rate_limit=False, demo_leads=SHAPES)
        environ = {"REQUEST_METHOD": "GET", "RAW_URI": path, "HTTP_X_API_KEY": key}
        rows = json.loads(app.answer(environ).body)["data"]
    return [{**row, "id": "@", "lead_id": "@"} for row in rows]


@lru_cache
def texts(fields: str) -> list[list[str]]:
    """Each of leads() as JSON with those fields, cut where the id belongs."""
    names = {"id", *fields.split(",")}
    kept = [{name: row[name] for name in row if not fields or name in names} for row in leads()]
    return [json.dumps(row, ensure_ascii=False).split('"@"') for row in kept]


def data(first: int, end: int, fields: str = "") -> str:
    shapes = texts(fields)
    rows = (f'"lead_{at:07}"'.join(shapes[at % SHAPES]) for at in range(first, end))
    return f'"success": true, "data": [{", ".join(rows)}]'


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, *_: object) -> None:  # a client was killed
        pass


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def reply(self, status: int, body: bytes, left: int = 60) -> None:
        self.send_response(status)
        self.send_header("X-RateLimit-Remaining", str(left))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Handler(Quiet):
    total = 0

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        query = dict(parse_qsl(target.query))
        if target.path == "/api/agent/leads":
            pages = {"page": 1, "pageSize": 20, "totalItems": self.total, "totalPages": 50}
            text = f'{{{data(0, 20)}, "pagination": {json.dumps(pages)}}}'
        else:
            first = int(query.get("nextToken", 0))
            end = min(self.total, first + int(query["limit"]))
            token = f'"{end}"' if end < self.total else "null"
            text = f'{{{data(first, end, query.get("fields", ""))}, "nextToken": {token}}}'
        self.reply(200, text.encode())


def main(total: int) -> None:
    Handler.total = total
    data(0, 1)
    server = Server(("127.0.0.1", 0), Handler)
    print(f"export LGP_BASE_URL=http://127.0.0.1:{server.server_port}")
    print("export LGP_API_KEY=lgp_proof\nexport LGP_AMPLIFY_API_KEY=da2-proof")
    print("export LGP_COMPANY_ID=company-1-proof\n#", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
