"""The graph that an explainer writes down, and no number looked at."""

import pytest
import torch
from torch import Tensor

from helpers.explainers import Narrow, Normed, Tokens, agree, noise
from helpers.nets import batch, convnet
from sightline import exportable
from sightline.maps.upsample import _linear, image_map, image_map_unread


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_an_exporter_computes_with_is_not_kept():
    _linear.cache_clear()
    explainer = exportable(convnet(), images=batch())
    torch.export.export(explainer, explainer.example(), strict=False)
    assert type(_linear(12, 10, torch.float32)) is Tensor
    assert type(_linear(10, 12, torch.float32)) is Tensor
    explainer(batch())
