"""Back to the pixels: the gradient itself, its product with a CAM, and what is told of both."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import explain


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("target", [1, [1, 3]])
def test_the_gradient_is_autograd_s(target, sign):
    net, x = convnet(head="fc"), batch()
    e = explain(net, x, target, "gradient", counterfactual=sign == -1)
    assert (e.layer, e.layer_reason) == ("input", "the picture itself")
    inputs = x.clone().requires_grad_()
    outputs = net(inputs)
    for j, k in enumerate([target] if isinstance(target, int) else target):
        (want,) = torch.autograd.grad(outputs[:, k].sum(), inputs, retain_graph=True)
        own = e.per_target
        assert_near(own.pixels[:, j], sign * want, 1e-5)
        assert_near(own.coarse[:, j], sign * want.sum(1), 1e-5)
        largest = want.abs().amax(1)
        for i in range(3):
            assert_near(own.maps[i, j], largest[i] / largest[i].max(), 1e-5)


def test_a_product_is_guided_backpropagation_times_the_map_at_every_layer():
    net, x, layers = convnet(), batch(), ["2", "5"]
    found = explain(net, x, [1, 3], ["guided_grad_cam", "grad_cam"], layers)
    guided = explain(net, x, [1, 3], "guided_backprop")
    for layer in layers:
        product, cam = found["guided_grad_cam", layer], found["grad_cam", layer]
        assert_near(product.pixels, guided.pixels * cam.maps.unsqueeze(2), 1e-6)
        assert (product.layer, product.layer_reason) == (layer, cam.layer_reason)
        assert "backward rule applied to 2 ReLU" in product.provenance["notes"]


def test_the_counts_and_notes_of_a_map_are_those_of_its_product():
    torch.manual_seed(0)
    net, x = convnet(), batch()
    with torch.no_grad():
        net[8].weight.mul_(300)
    net[5] = torch.nn.Tanh()  # signed activations: Grad-CAM++ leaves its formula
    found = explain(net.eval(), x, [1, 3], ["guided_grad_cam_pp", "grad_cam_pp"], layer="5")
    product, cam = (found[name] for name in ("guided_grad_cam_pp", "grad_cam_pp"))
    counts = [[status.counts for status in row] for row in cam.status]
    assert sum(one["clamped"] for row in counts for one in row) > 0
    assert [[status.counts for status in row] for row in product.status] == counts
    assert set(cam.provenance["notes"]) <= set(product.provenance["notes"])
