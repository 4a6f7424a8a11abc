"""A local LeadGenius Pro: the 40 operations as a WSGI application over one SQLite file.

`sandbox.app.Sandbox` is the application, `sandbox.server.serve` puts it on a loopback port, `sandbox.demo` holds the
demo data and its credentials. Standard library only, and nothing from the client: the two must be able to disagree.
"""
