"""PyTorch models: TorchScript, exported programs, and weights with the code that builds their module."""
