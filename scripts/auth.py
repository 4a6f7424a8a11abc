#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["requests"]
# ///
"""Log in to LeadGenius by itself: the same as `lgp.py auth`."""

import sys

from console import guard

guard.check()

from commands import program  # noqa: E402  (only after the guard: it needs what the guard looks for)

if __name__ == "__main__":
    sys.exit(program.main(["auth", *sys.argv[1:]]))
