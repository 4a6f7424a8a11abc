#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["requests"]
# ///
"""One raw request to the LeadGenius API, with the right credential for its path."""

import sys

from console import guard

guard.check()

from commands import raw  # noqa: E402  (only after the guard: it needs what the guard looks for)

if __name__ == "__main__":
    sys.exit(raw.main())
