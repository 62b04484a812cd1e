"""gRPC: the Open Inference Protocol, health and reflection, over the same data plane as HTTP."""
