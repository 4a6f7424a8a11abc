"""Imported before everything else, by any Python 3: says in one line when that is too old."""

import gc
import json
import sys

gc.disable()  # nothing of a start is garbage; collecting would cost a tenth of it
if sys.version_info < (3, 10):
    message = "Python 3.10 or newer is needed; this is %d.%d." % sys.version_info[:2]
    hint = "uv run scripts/lgp.py --help   (or run it with a newer python3)"
    error = {"code": "setup", "message": message, "hint": hint, "exit_code": 9}
    sys.stderr.write(json.dumps({"error": error}) + "\n")
    raise SystemExit(9)
