"""A local LeadGenius Pro: the 40 operations as a WSGI application over one SQLite file.

`sandbox.app.Sandbox` is the application, `sandbox.server.Server` puts it on a loopback port,
`sandbox.embedded` puts it inside a process, `sandbox.demo` has the demo data and its credentials.
What a request may hold is read from references/openapi.json; how a client behaves on the wire is
not known here, so that a mistake shows.
"""
