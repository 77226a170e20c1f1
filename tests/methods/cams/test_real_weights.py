"""Grad-CAM++ on trained networks: float32 and half precision, against a slow twin in float64."""

import io

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import pad, relu

from helpers.closeness import assert_near
from helpers.data import shared
from reference.grad_cam_pp_map import grad_cam_pp_map
from sightline.maps.combine import combine
from sightline.maps.upsample import image_map
from sightline.methods import grad_cam_pp


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.conv2, self.bn2 = (
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.stride, self.more = stride, (outside - inside) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return relu(x + y)


class CifarResNet(nn.Module):
    def __init__(self, depth):
        super().__init__()
        blocks = (depth - 2) // 6

        def stage(inside, outside, stride):
            rest = [Block(outside, outside, 1) for _ in range(blocks - 1)]
            return nn.Sequential(Block(inside, outside, stride), *rest)

        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def photograph(mean, std, size):
    """The dog and the cat, as the network wants them."""
    with Image.open(shared("dog-and-cat", "both.png")) as file:
        pixels = np.asarray(file.convert("RGB").resize((size, size)))
    return normal(torch.from_numpy(pixels.copy()), mean, std)[None]


def cifar(mean, std):
    """The first two test images."""
    with np.load(shared("cifar10", "test.npz")) as test:
        jpeg, offset = test["jpeg"], test["offset"]
    images = [Image.open(io.BytesIO(jpeg[offset[i] : offset[i + 1]].tobytes())) for i in range(2)]
    return torch.stack(
        [normal(torch.from_numpy(np.asarray(image).copy()), mean, std) for image in images]
    )


def normal(pixels, mean, std):
    return ((pixels.double() / 255 - torch.tensor(mean)) / torch.tensor(std)).permute(2, 0, 1)


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

NETWORKS = {
    "mobilenetv2": (
        "imagenet-weights/mobilenetv2_100_same.safetensors",
        ["bn2.act", "blocks.3.0.bn1.act"],
    ),
    "squeezenet": ("imagenet-weights/squeezenet1_1.safetensors", ["features.12", "features.7"]),
    "resnet20": ("cifar10/resnet20.safetensors", ["layer3", "layer2"]),
    "resnet56": ("cifar10/resnet56.safetensors", ["layer3", "layer2"]),
}
"""Weights, and the names of the last ReLU layer and of one in the middle."""


def network(name):
    """The trained network in float64, and inputs for it."""
    if name == "mobilenetv2":
        model = timm.create_model("mobilenetv2_100", pad_type="same")
        inputs = photograph(*HALF, 224)
    elif name == "squeezenet":
        model = torchvision.models.squeezenet1_1()
        inputs = photograph(*IMAGENET, 227)
    else:
        model, inputs = CifarResNet(int(name[-2:])), cifar(*IMAGENET)
    model.load_state_dict(load_file(shared(*NETWORKS[name][0].split("/"))), strict=True)
    return model.double().eval().requires_grad_(False), inputs


def look(model, layer, inputs, explained=None):
    """Activations and gradients at the layer, for the class that was predicted or the one that is
    given.
    """
    kept = []

    def keep(module, arguments, output):
        kept.append(output.detach().requires_grad_())
        return kept[0].clone()

    handle = model.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            outputs = model(inputs)
            explained = outputs.argmax(1) if explained is None else explained
            scores = outputs[torch.arange(len(outputs)), explained]
            (gradients,) = torch.autograd.grad(scores.sum(), kept[0])
    finally:
        handle.remove()
    return kept[0].detach(), gradients, explained


every_layer = pytest.mark.parametrize(
    ("name", "layer"), [(name, layer) for name, (_, layers) in NETWORKS.items() for layer in layers]
)


@every_layer
@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_float32_is_within_1e_4_of_the_slow_float64_twin(name, layer, alpha):
    """Network and formula both: what a user gets, against what is true."""
    model, inputs = network(name)
    activations, gradients, explained = look(model, layer, inputs)
    want = grad_cam_pp_map(activations, gradients, [32, 32], alpha)
    assert (want.flatten(1).std(1) > 0.05).all(), "the map shows nothing"
    activations, gradients, _ = look(model.float(), layer, inputs.float(), explained)
    assert activations.dtype == gradients.dtype == torch.float32
    weights = grad_cam_pp(activations, gradients, alpha=alpha)
    assert_near(image_map(combine(weights, activations), [32, 32]), want, 1e-4)


@every_layer
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_networks_correlate_at_least_0_99(name, layer, half):
    model, inputs = network(name)
    activations, gradients, explained = look(model, layer, inputs)
    want = grad_cam_pp_map(activations, gradients, [32, 32])
    activations, gradients, _ = look(model.to(half), layer, inputs.to(half), explained)
    assert activations.dtype == gradients.dtype == half
    activations, gradients = activations.float(), gradients.float()
    got = image_map(combine(grad_cam_pp(activations, gradients), activations), [32, 32])
    for ours, true in zip(got.flatten(1).double(), want.flatten(1), strict=True):
        assert float(torch.corrcoef(torch.stack([ours, true]))[0, 1]) >= 0.99
