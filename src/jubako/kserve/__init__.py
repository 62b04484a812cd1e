"""What both doors of the Open Inference Protocol, HTTP and gRPC, have in common."""
