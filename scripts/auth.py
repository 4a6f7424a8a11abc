#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["requests>=2.32", "urllib3>=2.6", "rich"]
# ///
"""Log in to LeadGenius: the same as `lgp.py auth`."""

from cli import start  # noqa: F401, before what an old Python cannot read
from cli.main import run

if __name__ == "__main__":
    raise SystemExit(run("auth"))
