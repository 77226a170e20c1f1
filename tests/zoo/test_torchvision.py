"""Every torchvision classification architecture, with random weights and no layer named."""

import pytest
import torch
import torchvision
from torch import nn

from helpers.random_weights import NoDrawing, lively
from sightline import explain
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import candidates
from sightline.surgery.layers.choose import layers

NAMES = torchvision.models.list_models(module=torchvision.models)
SIZES = {
    "inception_v3": 139,
    "googlenet": 128,
    "alexnet": 128,
    "squeezenet1_0": 128,
    "squeezenet1_1": 128,
}
FIXED = (
    "swin",
    "maxvit",
)  # these are built for one size, as vision transformers are, which can be told another


def size_of(name: str) -> int:
    """As small as the architecture allows; for vision transformers 8 x 8 patches."""
    if name.startswith("vit_"):
        return 8 * int(name.rpartition("_")[2])
    return SIZES.get(name, 224 if name.startswith(FIXED) else 128)


def build(name: str) -> nn.Module:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith("vit_"):
        options = {"image_size": size_of(name)}
    with NoDrawing():
        return lively(torchvision.models.get_model(name, weights=None, **options))


LARGE = ("vit_h_14", "vit_l_16", "vit_l_32", "regnet_y_128gf")
"""More than 300 million weights each, in the same modules as the smaller ones: beside the suite."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.apps if name in LARGE else ()) for name in NAMES],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_finite_map_that_is_not_constant_from_a_late_layer(name):
    model = build(name)
    size = size_of(name)
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    e = explain(model, images, place="unchecked")
    assert e.maps.shape == (1, size, size)
    assert e.coarse.isfinite().all()
    assert e.coarse.std() > 0
    assert 3 <= min(e.coarse.shape[1:]) <= size // 4
    names = [row.name for row in candidates(Given.of(model, images))[0]]
    assert (
        names.index(e.layer) >= len(names) * 2 / 3
    )  # of the feature maps, in the order of running


def test_the_table_marks_one_layer_and_says_why():
    rows = layers(build("resnet18"), torch.randn(1, 3, 128, 128))
    assert [row.name for row in rows if row.chosen] == ["layer4"]
    assert (
        next(row for row in rows if row.chosen).chosen
        == "the last feature map (512 channels, 4 x 4 places)"
    )
