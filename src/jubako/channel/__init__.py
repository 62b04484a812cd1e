"""The channel between a gateway and an instance: frames of msgpack over a Unix or TCP socket, many calls on one connection."""
