"""Which models can be looked into: wrappers come off, the rest is told the way out."""

import pytest
import torch
from torch import nn

from helpers.backward import both
from helpers.nets import batch, convnet
from sightline import load
from sightline.errors import ModelError
from sightline.surgery import capture, choose, look, nonfinite_weights, supported_model

QUIET = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrappers_are_taken_off(wrap):
    net, x = convnet(), batch()
    for mine, other in zip(both(wrap(net), x, "5"), both(net, x, "5"), strict=True):
        assert torch.equal(mine, other)
    name = "module.5" if wrap is nn.DataParallel else "_orig_mod.5"
    assert torch.equal(capture(wrap(net), x, name).activations, net[:6](x))


@QUIET
def test_scripted_quantised_and_empty_models_are_refused_with_the_way_out():
    with pytest.raises(ModelError, match="Pass the Python model"):
        capture(torch.jit.script(nn.ReLU()), batch(), "")
    with pytest.raises(
        ModelError, match=r"torch.nn.Module; got Loaded. Pass its model: explain\(loaded.model"
    ):
        supported_model(load("lookout"))
    linear = torch.ao.nn.quantized.Linear(4, 2)
    with pytest.raises(ModelError, match="Explain the float model"):
        capture(nn.Sequential(linear), batch(), "0")
    with torch.device("meta"):
        hollow = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(ModelError, match="Load a checkpoint"):
        capture(hollow, batch(), "0")
    with pytest.raises(ModelError, match=r"torch\.nn\.Module; got str"):
        supported_model("resnet50")


class FullyShardedDataParallel(nn.Module):
    """Known by its name, since torch.distributed need not be there."""


SWAPPED = {
    "quantised": (lambda: torch.ao.nn.quantized.Linear(8, 5), "holds the quantised Linear"),
    "scripted": (lambda: torch.jit.script(nn.Linear(8, 5)), "8 is TorchScript"),
    "meta": (lambda: nn.Linear(8, 5, device="meta"), "lie on the meta device"),
    "sharded": (FullyShardedDataParallel, "this one is sharded"),
}


@QUIET
@pytest.mark.parametrize("kind", SWAPPED)
def test_a_layer_exchanged_behind_the_first_look_is_looked_at_again(kind):
    make, message = SWAPPED[kind]
    net = convnet()
    choose(net, batch())
    net[8] = make()
    for refused in (choose, lambda model, x: capture(model, x, "5")):
        with pytest.raises(ModelError, match=message):
            refused(net, batch())


@QUIET
def test_a_quantised_layer_put_in_later_can_still_be_run():
    net = convnet()
    supported_model(net)
    net[8] = torch.ao.nn.quantized.dynamic.Linear(8, 5)
    assert look(net, batch()).shape == (3, 5)


def test_a_layer_exchanged_for_a_float16_one_brings_the_models_own_error():
    net = convnet()
    choose(net, batch())
    net[3] = nn.Conv2d(6, 8, 3, padding=1).half()
    with pytest.raises(RuntimeError) as error:
        capture(net, batch(), "5")
    assert "the model itself failed" in error.value.__notes__[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_first_weight_or_buffer_that_is_no_number_is_named(value):
    net = convnet()
    assert nonfinite_weights(net) is None
    with torch.no_grad():
        net[4].running_var[1] = value
    assert nonfinite_weights(net) == "4.running_var"
    with torch.no_grad():
        net[0].weight[0, 0, 0, 0] = value
    assert nonfinite_weights(net) == "0.weight"
