"""Opening a model leaves no trace: modes, buffers, generators, hooks and other threads are as they
were.
"""

import threading

import pytest
import torch
from torch import nn

from helpers.backward import both
from helpers.nets import assert_same, batch, convnet, photograph
from helpers.user_model import wrong_in_four_threads
from sightline.surgery import capture, choose


def test_train_mode_dropout_and_batch_statistics_do_not_matter_and_come_back():
    net, x = convnet(head="fc"), batch()
    expected = both(net, x, "5")
    net.train()
    net[1].eval()  # a frozen batch norm inside a training model keeps its own flag
    before = photograph(net)
    for mine, other in zip(both(net, x, "5"), expected, strict=True):
        assert torch.equal(mine, other)
    assert_same(before, photograph(net))
    assert [m.training for m in (net, net[1], net[4])] == [True, False, True]


class Noisy(nn.Module):
    """Draws random numbers and writes a buffer and a counter in its forward, in eval mode too."""

    def __init__(self, fail_at=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.fail_at = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), fail_at
        self.register_buffer("calls", torch.zeros(2))
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def forward(self, x):
        self.calls += 1
        x = self.conv(x + 0.1 * torch.randn_like(x)).relu()
        self.mean = x.mean((0, 2, 3))
        if self.fail_at == "forward":
            raise RuntimeError("broken forward")
        return self.fc(x.mean((2, 3)))


def test_buffers_and_generators_are_as_before():
    net = Noisy().train()
    net.fc.weight.grad = torch.ones_like(net.fc.weight)
    before = photograph(net)
    trace = capture(net, batch(), "conv")
    trace.gradients(trace.outputs[:, 0])
    after = photograph(net)
    (
        before["identity"].pop("calls"),
        after["identity"].pop("calls"),
    )  # written and written back: a new version
    assert_same(before, after)


@pytest.mark.parametrize("where", [str(i) for i in range(9)])
def test_after_an_error_in_any_layer_nothing_is_left_behind(where):
    net = convnet().train()

    def fail(module, args):
        raise RuntimeError(f"layer {where} is broken")

    net[int(where)].register_forward_pre_hook(fail)
    before = photograph(net)
    for call in (lambda: capture(net, batch(), "2"), lambda: choose(net, batch())):
        with pytest.raises(RuntimeError, match="is broken"):
            call()
        assert_same(before, photograph(net))


def test_after_an_error_in_the_forward_itself_nothing_is_left_behind():
    net = Noisy("forward").train()
    before = photograph(net)
    with pytest.raises(RuntimeError, match="broken forward"):
        capture(net, batch(), "conv")
    after = photograph(net)
    before["identity"].pop("calls"), after["identity"].pop("calls")
    assert_same(before, after)


def test_the_guard_of_this_file_can_fail():
    net = convnet()
    before = photograph(net)
    net[4].train()
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))
    net[4].eval()
    handle = net[3].register_forward_hook(lambda *_: None)
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))
    handle.remove()
    torch.rand(1)
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))


def test_the_users_own_hooks_run_and_stay():
    net, seen = convnet(), []
    net[5].register_forward_hook(lambda m, a, out: seen.append(tuple(out.shape)))
    net[5].register_forward_hook(lambda m, a, out: out * 2)
    activations, _ = both(net, batch(), "5")
    assert seen == [(3, 8, 12, 10)]
    assert torch.equal(activations, 2 * convnet()[:6](batch()))
    assert len(net[5]._forward_hooks) == 2


@pytest.mark.slow
def test_four_threads_share_one_model():
    net = convnet(head="fc").train()
    inputs = [batch(seed=i) for i in range(20)]
    alone = [both(net, x, "5", k=i % 5) for i, x in enumerate(inputs)]

    def work(offset):
        for turn in range(100):
            i = (turn * 7 + offset * 5) % 20
            mine = both(net, inputs[i], "5", k=i % 5)
            if not all(torch.equal(a, b) for a, b in zip(mine, alone[i], strict=True)):
                yield i

    assert wrong_in_four_threads(net, work) == []


def test_another_threads_plain_forward_is_not_captured():
    net, x, other = convnet(), batch(seed=1), batch(seed=2)
    outputs = []

    class Meanwhile(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            thread = threading.Thread(target=lambda: outputs.append(net(other)))
            y = self.net[:6](x)
            thread.start()
            thread.join()
            return self.net[6:](y)

    trace = capture(Meanwhile(), x, "net.5")
    assert torch.equal(trace.activations, net[:6](x))
    assert trace.cuts[0].calls == 1
    assert torch.equal(outputs[0], net(other))
    assert outputs[0].requires_grad  # its own thread's mode


class Again(torch.autograd.Function):
    """Recomputes on the way back, as checkpoints written by hand do, and draws a random number on
    top.
    """

    @staticmethod
    def forward(ctx, module, x):
        ctx.module = module
        ctx.save_for_backward(x)
        with torch.no_grad():
            return module(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            out = ctx.module(x)
        torch.rand(3)
        return None, torch.autograd.grad(out, x, gradient)[0]


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, x):
        return self.net[6:](Again.apply(self.net[3:6], self.net[:3](x)))


def test_what_runs_again_on_the_way_back_runs_in_eval_mode_too():
    """The model is in train mode: batch statistics would be another gradient, and other buffers."""
    net, x = ByHand().train(), batch()
    before = photograph(net)
    for mine, other in zip(both(net, x, "net.2"), both(convnet(), x, "2"), strict=True):
        torch.testing.assert_close(mine, other)
    assert_same(before, photograph(net))
