"""The random generators that a forward pass could draw from: their states, and back to them."""

import random

import numpy as np
import torch
from torch import nn


class Generators:
    """The states now; `restore` puts them back.

    Python's and NumPy's only where `foreign` code may draw from them.
    """

    def __init__(self, model: nn.Module, foreign: bool = True) -> None:
        self.own, self.foreign = torch.get_rng_state(), foreign
        if foreign:
            self.python, self.numpy = random.getstate(), np.random.get_state()
        devices = (
            {weight.device for weight in model.parameters()}
            if torch.cuda.is_initialized()
            else set()
        )
        self.cuda = [
            (device, torch.cuda.get_rng_state(device))
            for device in devices
            if device.type == "cuda"
        ]

    def restore(self) -> None:
        """Back to the states of the beginning."""
        torch.set_rng_state(self.own)
        for device, state in self.cuda:
            torch.cuda.set_rng_state(state, device)
        if self.foreign:
            random.setstate(self.python)
            np.random.set_state(self.numpy)
