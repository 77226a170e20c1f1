"""Run and backward pass as one graph of plain operators, or an error that says what cannot be."""

import pytest
import torch
from torch import Tensor, nn

from helpers.explainers import noise
from helpers.nets import batch, convnet
from sightline import exportable
from sightline.errors import SurgeryError
from sightline.surgery import Opened, capture, traced


def largest(outputs, classes):
    """The logits, and the class that is explained: the largest, or the one that is given."""
    return outputs, outputs, outputs.argmax(1) if classes is None else classes


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize("given", [True, False])
def test_the_graph_gives_logits_activations_and_their_gradient(given):
    net, images = convnet(head="fc").double(), batch().double()
    opened = Opened(net, images, capture(net, images, "5").cuts[0])
    classes = torch.tensor([0, 2, 1]) if given else None
    graph = traced(opened, largest, images, classes)
    logits, node, gradient = graph(images) if classes is None else graph(images, classes)
    trace = capture(net, images, "5")
    wanted = trace.outputs.argmax(1) if classes is None else classes
    (want,) = trace.gradients(trace.outputs.gather(1, wanted[:, None])[:, 0])
    torch.testing.assert_close(logits, trace.outputs)
    torch.testing.assert_close(node, trace.activations)
    torch.testing.assert_close(gradient, want, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("shapes_unchecked")
def test_weights_keep_their_names_and_no_backward_operator_is_left():
    net, images = convnet(head="fc"), batch()
    opened = Opened(net, images, capture(net, images, "5").cuts[0])
    graph = traced(opened, largest, images, None)
    assert {"weight_0_weight", "weight_0_bias"} <= {name for name, _ in graph.named_buffers()}
    assert not [node for node in graph.graph.nodes if "backward" in str(node.target)]


def test_a_derivative_that_nobody_takes_apart_is_told():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.LPPool2d(2, 2), nn.FractionalMaxPool2d(2, 2), nn.Flatten()
    )
    with pytest.raises(
        SurgeryError, match=r"aten.fractional_max_pool2d_backward.default cannot\. Choose a later"
    ):
        exportable(model, "1", images=noise(1, 12, 12))


def test_a_model_that_decides_by_numbers_cannot_be_traced():
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = (
                nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
                nn.Sequential(nn.Flatten(), nn.Linear(320, 2)),
            )

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.body(images)) * (2 if images.mean().item() > 0 else 1)

    with pytest.raises(SurgeryError, match="run can be written down as operators; Fickle cannot"):
        exportable(Fickle(), images=batch())
