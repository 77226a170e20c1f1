"""A backward operator in plain operators is the derivative."""

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from sightline.surgery.tracing.backward_graph import _backwards
from sightline.surgery.tracing.decompositions import DECOMPOSITIONS


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(4, 6, 3, stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2), (11, 14)),
        (nn.Conv2d(4, 6, (3, 5), padding="same"), (9, 8)),
        (nn.Conv2d(4, 8, 1, stride=4, groups=4), (10, 7)),
        (
            nn.ConvTranspose2d(
                4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2
            ),
            (5, 6),
        ),
        (nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 2, 3, stride=2)), (3, 4)),
        (nn.Conv3d(4, 2, 2, stride=2), (5, 4, 3)),
        (nn.MaxPool2d(3, 1, 1), (6, 5)),
        (nn.MaxPool2d((2, 3), dilation=2, ceil_mode=True), (9, 12)),
        (nn.AvgPool2d(3, 2, 1), (8, 7)),
        (nn.AvgPool2d((2, 3), (2, 1), (0, 1), count_include_pad=False), (8, 7)),
        (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (8, 8)),
        (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (8, 8)),
        (nn.AvgPool2d(3, 2, divisor_override=5), (8, 7)),
        (nn.AdaptiveAvgPool2d((7, 7)), (7, 7)),
        (nn.AdaptiveAvgPool2d((7, 7)), (3, 4)),
        (nn.AdaptiveAvgPool2d((3, 2)), (8, 7)),
        (nn.AdaptiveAvgPool2d(1), (8, 7)),
    ],
    ids=str,
)
def test_what_is_taken_apart_is_the_derivative(layer, size):
    """A layer between two others, backward by autograd and by the written graph, in float64."""
    torch.manual_seed(7)
    images = torch.randn(2, 4, *size, dtype=torch.float64)
    net = nn.Sequential(layer, nn.Tanh()).double().eval().requires_grad_(False)
    seed = torch.randn_like(net(images))

    def back(images: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        leaf = images.detach().requires_grad_()
        out = net(leaf.clone())
        return out.detach(), torch.autograd.grad(out, leaf, seed)[0]

    graph = make_fx(back, decomposition_table=_backwards() | DECOMPOSITIONS)(images, seed)
    kernels = [str(node.target) for node in graph.graph.nodes if "backward" in str(node.target)]
    assert kernels == []
    for found, want in zip(graph(images, seed), back(images, seed), strict=True):
        torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)
