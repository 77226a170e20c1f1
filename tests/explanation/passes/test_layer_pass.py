"""Any layer, at any run and grid; what holds where several methods share one run."""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import Odd, Twice, batch, convnet
from sightline import explain
from sightline.errors import LayerError


def test_a_layer_is_a_name_a_module_or_a_function():
    net, x = convnet(), batch()
    want = explain(net, x, 1, layer="2")
    for layer in (net[2], lambda model: model[2]):
        e = explain(net, x, 1, layer=layer)
        assert (e.layer, e.layer_reason) == ("2", "named by the caller")
        assert torch.equal(e.maps, want.maps)
    assert list(explain(net, x, 1, layer=[net[5], "2", lambda model: model[3]])) == ["5", "2", "3"]


@pytest.mark.parametrize("method", ["grad_cam_pp", "grad_cam_pp_softmax"])
def test_the_run_of_a_layer_that_was_asked_for_is_explained(method):
    """Also by methods that know a short cut where the head stands behind the last run."""
    net, x = Twice().eval(), batch()

    class Unrolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.net = nn.Identity(), nn.Identity(), net

        def forward(self, x):
            y = self.first(net.act(net.conv(x)))
            return net.fc(self.second(net.act(net.conv(y))).mean((2, 3)))

    for call, layer in ((0, "first"), (1, "second"), (-1, "second")):
        mine = explain(net, x, 1, method, layer="act", call=call)
        assert_near(mine.coarse, explain(Unrolled().eval(), x, 1, method, layer=layer).coarse, 1e-5)
    with pytest.raises(LayerError, match="CAM needs"):
        explain(net, x, 1, "cam", layer="act", call=0)


def test_a_stated_grid_reads_what_cannot_be_inferred():
    net, x = Odd().eval(), batch()
    read = lambda out: out[:, :30].unflatten(1, (6, 5)).movedim(-1, 1)  # noqa: E731
    found = explain(net, x, 0, ["grad_cam", "grad_cam_pp_softmax"], layer="keep", grid=read)
    want = explain(net, x, 0, ["grad_cam", "grad_cam_pp_softmax"], layer="patch")
    for name, e in found.items():
        assert_near(e.coarse, want[name].coarse, 1e-5)
        assert e.maps.shape == (3, 12, 10)


def test_methods_that_share_a_run_count_their_clamped_places_each_for_itself():
    """They share what they ask for, and the tally with it."""
    torch.manual_seed(0)
    net, x = convnet(), batch()
    with torch.no_grad():
        net[8].weight.mul_(300)
    net = nn.Sequential(*net[:5], nn.Tanh(), *net[6:]).eval()  # signed activations
    methods = ["grad_cam", "grad_cam_pp", "grad_cam_plus", "hires_cam"]
    together = explain(net, x, [1, 3], methods)
    for name, e in together.items():
        alone = explain(net, x, [1, 3], name)
        assert [[s.counts for s in row] for row in e.status] == [
            [s.counts for s in row] for row in alone.status
        ], name
    counts = [s.counts.get("clamped", 0) for row in together["grad_cam_pp"].status for s in row]
    assert sum(counts) > 0
