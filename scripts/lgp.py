#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["requests"]
# ///
"""LeadGenius from the command line: leads, campaigns, accounts, outreach, automation, analytics, administration."""

import sys

from console import guard

guard.check()

from commands import program  # noqa: E402  (only after the guard: it needs what the guard looks for)

if __name__ == "__main__":
    sys.exit(program.main())
