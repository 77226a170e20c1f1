"""Every family of timm, its smallest model, with random weights and nothing named."""

import pytest
import timm
import torch
from timm.models import _registry as registry

from helpers.random_weights import NoDrawing, assert_untouched, lively, noise, photographed
from sightline import explain
from sightline.surgery import choose
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import candidates
from zoo.timm_table import SMALLEST

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.mark.parametrize("family", SMALLEST)
def test_a_finite_map_that_is_not_constant_from_a_late_layer(family):
    name, size, grid, options = SMALLEST[family]
    with NoDrawing():
        model = lively(timm.create_model(name, **options))
    images = noise(1, 3, size, size)
    before = photographed(model)
    asked = 0 if model.num_classes == 0 else None  # of an embedding nothing is predicted
    e = explain(model, images, asked, place="unchecked")  # proved for a dozen in `test_places.py`
    assert_untouched(model, before)
    assert tuple(e.coarse.shape) == (1, *grid)
    assert tuple(e.maps.shape) == (1, size, size)
    assert e.coarse.isfinite().all()
    assert e.coarse.std() > 1e-4 * e.coarse.abs().max() > 0
    names = [row.name for row in candidates(Given.of(model, images))[0]]
    assert names.index(e.layer) >= len(names) / 2  # of the feature maps, in the order of running


def test_every_family_has_its_smallest_model():
    families = {registry._model_to_module[name] for name in timm.list_models()}
    assert families <= set(SMALLEST), "a newer timm has families that nobody looked at"


def test_tokens_that_share_the_grid_with_an_auxiliary_head():
    """VOLO scores its places by a head of their own, whose maps of classes are no features."""
    with NoDrawing():
        model = lively(timm.create_model("volo_d1_224", img_size=128))
    assert explain(model, noise(1, 3, 128, 128), place="unchecked").layer == "norm"


def test_an_oblong_picture_has_an_oblong_grid():
    with NoDrawing():
        model = lively(timm.create_model("vit_tiny_patch16_224", img_size=(96, 160), depth=3))
    assert tuple(explain(model, noise(1, 3, 96, 160)).coarse.shape) == (1, 6, 10)


def test_a_network_without_a_head_keeps_its_last_features():
    """Its outputs are the mean of the last map, which is no map of classes for that."""
    with NoDrawing():
        resnet = lively(timm.create_model("resnet10t", num_classes=0))
        vit = lively(
            timm.create_model(
                "vit_tiny_patch16_224", num_classes=0, global_pool="avg", img_size=64, depth=3
            )
        )
    assert explain(resnet, noise(1, 3, 128, 128), 0).layer == "layer4"
    with torch.no_grad():
        assert vit(noise(1, 3, 64, 64)).shape == (1, 192)
    assert explain(vit, noise(1, 3, 64, 64), 0).layer == "blocks"


@pytest.mark.parametrize("name", ["levit_128s", "levit_256d", "levit_384_s8", "levit_conv_128s"])
def test_the_stages_of_a_levit_are_found_and_not_its_stem(name):
    """Its blocks make tokens without a class token, or maps; the stem makes a map in either."""
    with NoDrawing():
        model = lively(timm.create_model(name))
    choice = choose(model, noise(1, 3, 224, 224))
    assert (choice.name, choice.call) == ("stages", -1)
    assert ("tokens" in choice.reason) == ("conv" not in name)
