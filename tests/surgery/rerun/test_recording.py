"""What a recording holds, and what it plays."""

import torch
from torch import nn

from helpers.nets import batch
from sightline.surgery.harness import guard
from sightline.surgery.harness.given import Given
from sightline.surgery.rerun.from_layer import disagreement
from sightline.surgery.rerun.recording import LayerCall, record


def test_the_outermost_modules_up_to_the_layer_are_kept_in_their_order():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Conv2d(4, 2, 1), nn.Flatten()
    ).eval()
    layer = LayerCall.of(Given.of(net, batch()), "1", -1, None)
    with guard.untouched(net), torch.no_grad():
        recording = record(layer)
    assert [module for module, _ in recording.calls] == [net[0], net[1]]
    assert (layer.name, layer.call) == ("1", 0)
    torch.testing.assert_close(recording.calls[0][1].value(), net[0](batch()))


def test_other_activations_stand_in_the_layers_place():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten()).eval()
    layer = LayerCall.of(Given.of(net, batch()), "0", -1, None)
    with guard.untouched(net), torch.no_grad():
        recording = record(layer)
        assert disagreement(recording) is None  # which learns how the parts grow with the batch
        own = layer.activations(recording.calls[-1][1].value())
        outputs = recording.play(1, own - own.amax())
    assert torch.equal(outputs, torch.zeros_like(outputs))
    assert "forward" not in vars(net[0])  # what hid the module's own is gone again
