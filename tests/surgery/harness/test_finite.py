"""Where numbers stop being numbers."""

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery import first_nonfinite, nonfinite_weights


class Spoils(nn.Module):
    """Passes on what it gets, but turns loud images into something that is no number."""

    def __init__(self, into=float("inf")):
        super().__init__()
        self.into = into

    def forward(self, x):
        loud = x.flatten(1).abs().amax(1) > 100
        return torch.where(loud.reshape(-1, *[1] * (x.ndim - 1)), self.into, x)


def spoiled(where, into=float("inf")):
    layers = list(convnet(head="fc"))
    return nn.Sequential(*layers[:where], Spoils(into), *layers[where:]).eval()


@pytest.mark.parametrize("into", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("where", [0, 3, 6])
def test_the_first_layer_is_named(where, into):
    net, x = spoiled(where, into), batch()
    assert first_nonfinite(net, x) is None
    x[1] *= 10_000
    assert first_nonfinite(net, x) == str(where)


def test_what_a_forward_does_itself_is_laid_at_the_module_around_it():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, x):
            return self.inner(x).sqrt()

    assert first_nonfinite(nn.Sequential(Root()), torch.tensor([[-1.0]])) == "0"
    assert first_nonfinite(Root(), torch.tensor([[-1.0]])) == "Root"


def test_the_input_may_be_at_fault():
    x = batch()
    x[2, 0, 0, 0] = float("nan")
    assert first_nonfinite(convnet(), x) == "the input itself"
    assert first_nonfinite(convnet(), {"input": x}) == "the input itself"


def test_outputs_in_tuples_and_dicts_are_looked_at():
    class Parts(nn.Module):
        def forward(self, x):
            return {"count": torch.tensor(3), "maps": (x.log(), None)}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = Parts()

        def forward(self, x):
            return self.parts(x)["maps"][0].nan_to_num()

    assert first_nonfinite(Net(), torch.tensor([[-1.0]])) == "parts"


def test_nothing_is_left_behind():
    net, x = spoiled(3).train(), batch() * 10_000
    before = photograph(net)
    assert first_nonfinite(net, x) == "3"
    assert_same(before, photograph(net))


def test_broken_weights_and_buffers_are_named():
    net = convnet()
    assert nonfinite_weights(net) is None
    net[4].running_var[2] = float("nan")
    assert nonfinite_weights(net) == "4.running_var"
    with torch.no_grad():
        net[3].weight[0, 1, 2, 0] = float("inf")
    assert nonfinite_weights(net) == "3.weight"
