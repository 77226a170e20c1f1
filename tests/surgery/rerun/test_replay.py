"""The model run again: plainly, or with other activations in a layer's place."""

import pytest
import torch
from torch import nn

from helpers.nets import Twice, assert_same, batch, convnet, photograph
from sightline.errors import LayerError
from sightline.surgery import capture, look, replay


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("layer", [0, 2, 5])
def test_its_own_activations_give_its_own_outputs(axes, layer):
    net, x = convnet(axes, head="fc"), batch(axes)
    own = capture(net, x, str(layer)).activations
    assert torch.equal(replay(net, x, str(layer), own), net(x))


@pytest.mark.parametrize("inplace", [True, False])
def test_other_activations_give_what_lies_behind_the_layer(inplace):
    net, x = convnet(head="fc", inplace=inplace), batch()
    other = torch.randn(3, 8, 12, 10)
    kept = other.clone()
    outputs = replay(net, x, "4", other)
    assert torch.equal(outputs, net[5:](kept.clone()))
    assert torch.equal(other, kept), "written over by the in-place layer behind"
    assert not outputs.requires_grad


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.norm, self.head = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8), nn.Linear(8, 5)
        self.first = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x):
        y = self.patch(x).flatten(2).transpose(1, 2)
        y = self.norm(torch.cat([self.first.expand(len(x), -1, -1), y], 1))
        return self.head(2 * y[:, 0] + y[:, 1:].mean(1))


def test_the_class_token_stays_as_it_is():
    net, x = Tokens().eval(), batch()
    outputs = replay(net, x, "norm", torch.zeros(3, 8, 6, 5))
    assert torch.allclose(outputs, net.head(2 * net.norm(net.first)[:, 0]).expand(3, -1))


def test_a_layer_that_runs_twice_is_replaced_each_time_or_at_call():
    net, x = Twice().eval(), batch()
    other = torch.rand(3, 3, 12, 10)
    behind = net.fc(other.mean((2, 3)))
    assert torch.equal(replay(net, x, "act", other), behind)
    assert torch.equal(replay(net, x, "act", other, call=1), behind)
    early = replay(net, x, "act", other, call=0)
    assert torch.equal(early, net.fc(net.act(net.conv(other)).mean((2, 3))))
    assert not torch.equal(early, behind)


def test_another_shape_is_refused_with_the_right_one():
    net, x = convnet(), batch()
    before = photograph(net)
    with pytest.raises(
        LayerError, match=r"'5' in the shape \(3, 8, 12, 10\); got \(3, 8, 6, 5\).*capture\("
    ):
        replay(net, x, "5", torch.zeros(3, 8, 6, 5))
    assert_same(before, photograph(net))


def test_both_leave_no_trace_and_run_in_eval_mode():
    net, x = convnet(head="fc").train(), batch()
    before = photograph(net)
    mine = look(net, x)
    again = replay(net, x, "5", capture(net, x, "5").activations)
    assert_same(before, photograph(net))
    assert torch.equal(mine, convnet(head="fc")(x))
    assert torch.equal(again, mine)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_both_work_in_every_mode(mode):
    net, x = convnet(), batch()
    with mode():
        outputs = look(net, x), replay(net, x, "5", torch.ones(3, 8, 12, 10))
    assert torch.equal(outputs[0], net(x))
    assert torch.equal(outputs[1], net[6:](torch.ones(3, 8, 12, 10)))


class Overwrites(nn.Module):
    """Normalises its input in place, as people do."""

    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, x):
        return self.net(x.sub_(0.5).div_(0.25))


@pytest.mark.parametrize("run", [look, lambda net, x: capture(net, x, "net.5").outputs])
def test_a_model_that_writes_over_its_input_does_not_write_over_the_callers(run):
    net, x = Overwrites(), batch()
    kept = x.clone()
    assert torch.equal(run(net, x), convnet()((kept - 0.5) / 0.25))
    assert torch.equal(x, kept)
