"""A service that costs next to nothing, so that what is measured is the client: `python3 service.py ROWS`.

It has so many leads of the sandbox's shape on the bulk list, and the newest of them on `leads list`. It looks at no
key and prints the variables that point a command at it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SHAPES = 200  # leads that differ in more than their id


@lru_cache
def leads() -> list[dict[str, Any]]:
    """SHAPES leads as the sandbox shows them; the id of each is `@`."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
    from sandbox.app import Sandbox
    from sandbox.demo import CREDENTIALS

    company = CREDENTIALS["company_id"]
    with TemporaryDirectory() as folder:
        app = Sandbox(Path(folder, "db"), rate_limit=False, demo_leads=SHAPES)
        target = f"/api/enrich-leads/list?companyId={company}&limit={SHAPES}"
        headers = {"HTTP_X_API_KEY": CREDENTIALS["amplify_api_key"]}
        environ = {"REQUEST_METHOD": "GET", "RAW_URI": target, **headers}
        rows = json.loads(b"".join(app(environ, lambda *_: None)))["data"]
    return [{**row, "id": "@", "lead_id": "@"} for row in rows]


@lru_cache
def texts(fields: str) -> list[list[str]]:
    """Each of leads() as JSON with those fields, cut where the id belongs."""
    names = {"id", *fields.split(",")}
    kept = [{name: row[name] for name in row if not fields or name in names} for row in leads()]
    return [json.dumps(row, ensure_ascii=False, separators=(",", ":")).split('"@"') for row in kept]


def rows(first: int, end: int, fields: str = "") -> Iterator[str]:
    shapes = texts(fields)
    for number in range(first, end):
        yield f'"lead_{number:07}"'.join(shapes[number % SHAPES])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    total = 0
    asked = 0

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        query = dict(parse_qsl(target.query))
        if target.path == "/asked":  # how many requests there were
            return self.send(str(Handler.asked))
        Handler.asked += 1
        if target.path.startswith("/api/agent"):
            pages = {"page": 1, "pageSize": 20, "totalItems": self.total, "totalPages": self.total // 20}
            end = f'"pagination":{json.dumps(pages)}'
            return self.send(f'{{"success":true,"data":[{",".join(rows(0, 20))}],{end}}}')
        first = int(query.get("nextToken", 0))
        end = min(self.total, first + int(query.get("limit", 1000)))
        token = f'"{end}"' if end < self.total else "null"
        found = ",".join(rows(first, end, query.get("fields", "")))
        return self.send(f'{{"success":true,"data":[{found}],"nextToken":{token}}}')

    def send(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:  # a client was killed
        pass


def main(total: int) -> None:
    Handler.total = total
    leads()
    server = Server(("127.0.0.1", 0), Handler)
    names = {"BASE_URL": f"http://127.0.0.1:{server.server_port}", "API_KEY": "lgp_proof"}
    names |= {"AMPLIFY_API_KEY": "da2-proof", "COMPANY_ID": "company-1-proof"}
    for name, value in names.items():
        print(f"export LGP_{name}={value}")
    print("#", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
