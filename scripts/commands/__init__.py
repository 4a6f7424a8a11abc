"""The commands of lgp.py: one module a workflow, each a table of rows; the runners they share stand in `runners/`."""
