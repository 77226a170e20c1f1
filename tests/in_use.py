"""A network as it is found in a user's hands, for tests of what a call leaves behind."""

import torch

from nets import convnet


def used(head="pool"):
    """A network in the middle of a user's work: training, partly frozen, with gradients and a hook of its own."""
    net = convnet(head=head).train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    net[8].weight.grad = torch.ones_like(net[8].weight)
    net[2].register_forward_hook(lambda *_: None)
    return net
