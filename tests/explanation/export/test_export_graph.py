"""The graph of an explainer: the backward pass in plain operators, and no number looked at."""

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from helpers.explainers import Narrow, Normed, Tokens, agree, noise
from helpers.nets import batch, convnet
from sightline import exportable
from sightline.errors import SurgeryError
from sightline.maps.upsample import _linear, image_map, image_map_unread
from sightline.surgery.tracing.backward_graph import _backwards
from sightline.surgery.tracing.decompositions import DECOMPOSITIONS

# The way back, taken apart


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


def test_a_derivative_that_nobody_takes_apart_is_told():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.LPPool2d(2, 2), nn.FractionalMaxPool2d(2, 2), nn.Flatten()
    )
    with pytest.raises(
        SurgeryError, match=r"aten.fractional_max_pool2d_backward.default cannot\. Choose a later"
    ):
        exportable(model, "1", images=noise(1, 12, 12))


@pytest.mark.parametrize("method", ["grad_cam_plus", "layer_cam"])
@pytest.mark.parametrize(("kind", "layer"), [(Narrow, "body"), (Tokens, "mix"), (Normed, None)])
def test_what_pytorch_leaves_to_kernels_is_written_down_too(kind, layer, method):
    model, images = kind().eval(), noise(3, 20, 24)
    explainer = exportable(model, layer, method, images=images, coarse=True)
    assert explainer.way == "tail"
    agree(explainer, model, images, explainer(images))
    agree(explainer, model, images[:1], explainer(images[:1]))


# Without looking at numbers


def test_a_map_enlarged_unread_is_the_map():
    torch.manual_seed(0)
    coarse = torch.randn(6, 5, 4)
    coarse[1] = -1
    coarse[2, 0, 0] = torch.nan
    coarse[3, 0, 0] = torch.inf
    coarse[4] *= 1e-38
    coarse[5] *= 1e38 / coarse[5].abs().max()
    for size in ((13, 9), (5, 4), (3, 8)):
        torch.testing.assert_close(
            image_map_unread(coarse, size), image_map(coarse, size), rtol=0, atol=1e-6
        )


def test_what_an_exporter_computes_with_is_not_kept():
    _linear.cache_clear()
    explainer = exportable(convnet(), images=batch())
    torch.export.export(explainer, explainer.example(), strict=False)
    assert type(_linear(12, 10, torch.float32)) is Tensor
    assert type(_linear(10, 12, torch.float32)) is Tensor
    explainer(batch())


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
