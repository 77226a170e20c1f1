"""A copy that is opened for good: its own modules, the model's weights, what the layer returned."""

import pytest
import torch
from torch import nn

from helpers.nets import Twice, assert_same, batch, convnet, photograph
from sightline.errors import SurgeryError
from sightline.surgery import Opened, capture


def opened_at(net, images, layer, call=-1):
    return Opened(net, images, capture(net, images, layer, call=call).cuts[0])


@pytest.mark.parametrize("inplace", [True, False])
def test_it_gives_the_outputs_and_what_the_layer_returned(inplace):
    net, images = convnet(head="fc", inplace=inplace), batch()
    outputs, node = opened_at(net, images, "4")(images)
    assert torch.equal(outputs, net(images))
    assert torch.equal(node, capture(net, images, "4").activations)


def test_where_it_is_cut_the_layer_is_a_leaf():
    net, images = convnet(head="fc"), batch()
    with torch.no_grad():
        outputs, node = opened_at(net, images, "5")(images, as_leaf=True)
    (found,) = torch.autograd.grad(outputs[:, 1].sum(), node)
    trace = capture(net, images, "5")
    torch.testing.assert_close(found, trace.gradients(trace.outputs[:, 1])[0])


@pytest.mark.parametrize("call", [0, 1])
def test_of_a_layer_that_runs_twice_it_is_the_run_that_was_kept(call):
    net, images = Twice().eval(), batch()
    _, node = opened_at(net, images, "act", call)(images)
    assert torch.equal(node, capture(net, images, "act", call=call).activations)


def test_modules_and_parameters_are_new_on_the_same_memory_and_buffers_are_copied():
    net, images = convnet(head="fc").train(), batch()
    before = photograph(net)
    twin = opened_at(net, images, "5").model
    assert twin[0] is not net[0]
    assert twin[0].weight is not net[0].weight
    assert twin[0].weight.data_ptr() == net[0].weight.data_ptr()
    assert twin[1].running_mean.data_ptr() != net[1].running_mean.data_ptr()
    assert not twin.training
    twin.double().requires_grad_(False)
    assert_same(before, photograph(net))


def test_a_model_that_takes_another_way_is_told():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

        def forward(self, x):
            y = self.body(x)
            return (self.act(y) if x.mean() > 0 else y).mean((2, 3))

    net, images = Fickle().eval(), torch.rand(1, 3, 8, 8)
    opened = opened_at(net, images, "act")
    with pytest.raises(SurgeryError, match=r"'act' to run 1 times.*ran 0 times"):
        opened(-images)


def test_what_cannot_be_copied_is_copied_in_parts():
    class Held(nn.Sequential):
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    net, images = Held(*convnet(head="fc")).eval(), batch()
    before = photograph(net)
    outputs, node = opened_at(net, images, "4")(images)
    assert torch.equal(outputs, net(images))
    assert torch.equal(node, capture(net, images, "4").activations)
    assert_same(before, photograph(net))
