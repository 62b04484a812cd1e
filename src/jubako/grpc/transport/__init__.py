"""gRPC over HTTP/2, as much of both as a server needs, on the gateway's own event loop.

gRPC's library for Python polls in a thread of its own and passes every step of a call to the event loop through a socket; on one
core that, and not the messages, is nearly all of a small request. Here a call is a few frames in and one write out.

The texts: https://www.rfc-editor.org/rfc/rfc9113 (HTTP/2), https://www.rfc-editor.org/rfc/rfc7541 (its compressed headers, by the
package hpack) and https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""
