"""Tests run side by side: one thread each, or small tensors wait for each other's."""

import torch

torch.set_num_threads(1)
