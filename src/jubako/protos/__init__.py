"""The messages of the gRPC protocols, from the texts in ``protos/``."""
