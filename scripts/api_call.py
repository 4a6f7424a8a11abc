#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["requests>=2.32", "urllib3>=2.6", "rich"]
# ///
"""One raw request to the LeadGenius API, with the right credential for its path."""

from cli import start  # noqa: F401, before what an old Python cannot read
from cli.main import run

if __name__ == "__main__":
    raise SystemExit(run("api_call"))
