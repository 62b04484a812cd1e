"""The multilayer perceptron, with the same weights everywhere."""

from __future__ import annotations

import sys

import torch


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(256, 1024),
        torch.nn.ReLU(),
        torch.nn.Linear(1024, 1024),
        torch.nn.ReLU(),
        torch.nn.Linear(1024, 16),
    ).eval()


if __name__ == "__main__":  # FILE: write it as TorchScript
    torch.jit.script(network()).save(sys.argv[1])
