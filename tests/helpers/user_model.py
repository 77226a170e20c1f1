"""A network as it is found in a user's hands, alone or in several threads, for tests of what a call
leaves behind.
"""

import threading

import torch

from helpers.nets import assert_same, convnet, photograph


def used(head="pool"):
    """A network in the middle of a user's work: training, partly frozen, with gradients and a hook
    of its own.
    """
    net = convnet(head=head).train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    net[8].weight.grad = torch.ones_like(net[8].weight)
    net[2].register_forward_hook(lambda *_: None)
    return net


def wrong_in_four_threads(net, work):
    """What `work(0)` to `work(3)` yield side by side, errors too; afterwards the network is as it
    was.
    """
    wrong = []

    def run(offset):
        try:
            wrong.extend(work(offset))
        except Exception as error:
            wrong.append(error)

    before = photograph(net)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert_same(before, photograph(net))
    return wrong
