"""Who may ask what: keys, what each is for, and the check that both doors make before anything else.

Every route of HTTP and every method of gRPC says, where it is added, which :class:`~jubako.access.scope.Access` it takes. The
:class:`~jubako.access.guard.Guard` decides from the request's headers alone, before a body is read.
"""
