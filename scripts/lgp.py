#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["requests>=2.32", "urllib3>=2.6", "rich"]
# ///
"""LeadGenius from the command line: leads, campaigns, accounts, outreach, analytics."""

from cli import start  # noqa: F401, before what an old Python cannot read
from cli.main import run

if __name__ == "__main__":
    raise SystemExit(run())
