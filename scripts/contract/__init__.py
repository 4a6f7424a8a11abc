"""references/openapi.json as Python sees it: its operations, and whether a value fits a schema.

The command line and the sandbox both read the document here and nowhere else. Standard library
only; errors are ValueError.
"""
