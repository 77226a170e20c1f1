"""Hooks for the time of a block, on the thread that put them there."""

import threading

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.surgery.harness.hooks import hooked, on_this_thread


def on_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_hook_hears_its_own_thread_and_no_other():
    heard = []
    hook = on_this_thread(lambda *args, **kwargs: heard.append((args, kwargs)) or "changed")
    assert hook(1, word=2) == "changed"
    on_another_thread(lambda: heard.append(hook(3)))
    assert heard == [((1,), {"word": 2}), None]


def test_another_threads_forward_is_not_changed():
    net, outputs = nn.Sequential(nn.Identity()), []
    with hooked([(net[0], lambda module, args, output: output + 1)]):
        on_another_thread(lambda: outputs.append(net(torch.zeros(1)).item()))
        outputs.append(net(torch.zeros(1)).item())
    assert outputs == [0.0, 1.0]


def test_a_hook_before_sees_what_goes_in():
    net, seen = convnet(), []
    with hooked([(net[3], lambda module, args: seen.append(args[0]))], before=True):
        net(batch())
    assert torch.equal(seen[0], net[:3](batch()))


@pytest.mark.parametrize("where", ["in the block", "while they are put there"])
def test_after_an_error_none_is_left(where):
    net = convnet()

    def hooks():
        yield net[0], lambda *_: None
        if where == "while they are put there":
            raise RuntimeError(where)

    with pytest.raises(RuntimeError, match=where), hooked(hooks()):
        raise RuntimeError(where)
    assert not any(module._forward_hooks for module in net.modules())
