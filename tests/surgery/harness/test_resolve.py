"""Which layer is meant: by name, as a module, by a function of the model."""

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.errors import LayerError
from sightline.surgery import capture
from sightline.surgery.harness.resolve import resolve


def test_an_unknown_layer_is_told_near_names():
    with pytest.raises(LayerError, match=r"Sequential has no layer '55'. Near names: '5'"):
        capture(convnet(), batch(), "55")
    with pytest.raises(LayerError, match="not part of it"):
        capture(convnet(), batch(), nn.ReLU())
    net = convnet()
    assert torch.equal(
        capture(net, batch(), net[5]).activations, capture(net, batch(), lambda m: m[5]).activations
    )


@pytest.mark.parametrize("spelling", ["1.0", "module.1.0", "_orig_mod.1.0"])
def test_the_names_of_wrapped_models_lead_to_the_same_layer(spelling):
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    assert resolve(net, spelling)[1] is net[1][0]


def test_the_model_itself_has_the_empty_name():
    net = convnet()
    assert resolve(net, "") == ("", net)
    assert resolve(net, net) == ("", net)
    assert resolve(net, lambda model: model[3]) == ("3", net[3])
