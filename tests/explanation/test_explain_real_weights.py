"""`explain` on trained networks, against a slow twin all in float64; and what the maps show."""

from functools import cache

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file

from helpers.cifar import IMAGENET, CifarResNet, cifar_images, dog_and_cat
from helpers.closeness import assert_near
from helpers.data import shared
from reference.combine import combine
from reference.grad_cam_pp import grad_cam_pp
from reference.image_map import image_map
from sightline import explain

HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
LAYERS = {
    "mobilenetv2": ["bn2.act", "blocks.3.0.bn1.act"],
    "squeezenet": ["features.12", "features.7"],
    "resnet20": ["layer3", "layer2"],
    "resnet56": ["layer3", "layer2"],
}
"""The last ReLU layer of each, and one in the middle."""

every_layer = pytest.mark.parametrize(
    ("name", "layer"), [(n, layer) for n, pair in LAYERS.items() for layer in pair]
)


@cache
def network(name):
    """The trained network in float64, and inputs for it."""
    if name == "mobilenetv2":
        model, inputs = (
            timm.create_model("mobilenetv2_100", pad_type="same"),
            dog_and_cat(224, *HALF),
        )
        weights = shared("imagenet-weights", "mobilenetv2_100_same.safetensors")
    elif name == "squeezenet":
        model, inputs = torchvision.models.squeezenet1_1(), dog_and_cat(227, *IMAGENET)
        weights = shared("imagenet-weights", "squeezenet1_1.safetensors")
    else:
        model, inputs = CifarResNet(int(name[-2:])), cifar_images(2)
        weights = shared("cifar10", f"{name}.safetensors")
    model.load_state_dict(load_file(weights), strict=True)
    return model.double().eval(), inputs


@cache
def slowly(name, layer):
    """The signed map and the picture, with a hook and a loop over every number."""
    model, inputs = network(name)
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, args, output: (
            kept.append(output.detach().requires_grad_()) or kept[0].clone()
        )
    )
    try:
        outputs = model(inputs)
    finally:
        handle.remove()
    (gradients,) = torch.autograd.grad(outputs.amax(1).sum(), kept[0])
    coarse = combine(grad_cam_pp(kept[0].detach(), gradients), kept[0].detach())
    return outputs.argmax(1).tolist(), coarse, image_map(coarse, list(inputs.shape[2:]))


def half_of(name, dtype):
    model, inputs = network(name)
    again = type(model)(int(name[-2:])) if name.startswith("resnet") else None
    if again is None:
        again = (
            timm.create_model("mobilenetv2_100", pad_type="same")
            if name == "mobilenetv2"
            else torchvision.models.squeezenet1_1()
        )
    again.load_state_dict(model.state_dict())
    return again.to(dtype).eval(), inputs.to(dtype)


@every_layer
def test_float32_maps_are_within_1e_4_of_the_slow_float64_twin(name, layer):
    predicted, coarse, maps = slowly(name, layer)
    model, inputs = half_of(name, torch.float32)
    e = explain(model, inputs, layer=layer)
    assert [target.index for target in e.targets] == predicted
    assert e.maps.dtype == e.coarse.dtype == torch.float32
    assert (maps.flatten(1).std(1) > 0.05).all(), "the map shows nothing"
    assert_near(e.coarse, coarse, 1e-4)
    assert_near(e.maps, maps, 1e-4)
    assert all(one.ok and one.counts == {"clamped": 0} for one in e.status)


@every_layer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_networks_correlate_at_least_0_99(name, layer, dtype):
    predicted, _, maps = slowly(name, layer)
    model, inputs = half_of(name, dtype)
    e = explain(model, inputs, torch.tensor(predicted), layer=layer)
    assert e.maps.dtype == torch.float32
    for got, want in zip(e.maps.flatten(1).double(), maps.flatten(1), strict=True):
        assert float(torch.corrcoef(torch.stack([got, want]))[0, 1]) >= 0.99


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet20"])
def test_cam_is_grad_cam_times_the_number_of_places(name):
    model, inputs = half_of(name, torch.float32)
    found = explain(model, inputs, "top3", ["cam", "grad_cam"], layer=LAYERS[name][0])
    places = found["cam"].coarse[0, 0].numel()
    assert_near(found["cam"].coarse, found["grad_cam"].coarse * places, 1e-5)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_pp", "layer_cam", "guided_grad_cam_pp"])
def test_no_layer_named_the_dog_and_the_cat_are_told_apart(method):
    """The dog's head is above the middle, the cat lower and to its left or right."""
    model, inputs = half_of("mobilenetv2", torch.float32)
    e = explain(model, inputs, [243, 282], method)  # bull mastiff, tiger cat
    assert e.layer == "bn2"
    dog, cat = e.maps[0]
    centres = [_centre(one) for one in (dog, cat)]
    assert centres[0][0] < centres[1][0], "the dog's evidence lies above the cat's"


def _centre(one):
    """Row and column of a map's centre of mass."""
    rows, columns = torch.meshgrid(*[torch.arange(float(s)) for s in one.shape], indexing="ij")
    return float((one * rows).sum() / one.sum()), float((one * columns).sum() / one.sum())
