"""jubako beside other model servers: the same models, the same requests, the same load, in the same run."""
