"""``inference.GRPCInferenceService``: the Open Inference Protocol with its extensions, translated to and from the waist."""
