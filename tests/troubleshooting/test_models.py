"""Pains with models: the rows of docs/troubleshooting.md about layers, devices, dtypes, inputs and
outputs.
"""

import copy
import threading
from dataclasses import dataclass

import pytest
import timm
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.nets import SHAPES, assert_same, batch, convnet, photograph
from sightline import METHODS, explain
from sightline.errors import LayerError, ModelError
from sightline.surgery import look


@pytest.mark.slow
def test_which_reshape_does_a_transformer_need():
    net = timm.create_model("vit_tiny_patch16_224", img_size=(64, 96), num_classes=7)
    e = explain(net, torch.randn(1, 3, 64, 96), target=2)
    assert e.coarse.shape == (1, 4, 6)
    assert e.maps.shape == (1, 64, 96)
    assert e.maps.std() > 0
    odd = nn.Sequential(
        nn.Flatten(), nn.Linear(48, 113), nn.Unflatten(1, (113, 1)), nn.Flatten(), nn.Linear(113, 4)
    )
    with pytest.raises(LayerError, match=r"\(1, 113, 1\).*grid="):  # 113 places are no rectangle
        explain(odd, torch.randn(1, 3, 4, 4), layer="2")


def test_which_layer():
    net = convnet()
    e = explain(net, batch())
    assert e.layer == "5"
    assert "last" in e.layer_reason
    table = sightline.layers(net, batch())
    assert [row.name for row in table if row.chosen] == ["5"]
    assert {row.name for row in table} >= {"2", "5"}
    for layer in ("2", net[2], lambda model: model[2]):
        assert explain(net, batch(), layer=layer).layer == "2"


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["1", "2", "4", "5"])
def test_an_inplace_relu_behind_the_layer(layer):
    plain, inplace = convnet(head="dense"), convnet(head="dense", inplace=True)
    method = [name for name in METHODS if name != "cam"]
    ours, theirs = (explain(net, batch(), 1, method, layer) for net in (inplace, plain))
    for name in method:
        assert torch.equal(ours[name].coarse, theirs[name].coarse)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_element_0_of_tensors_does_not_require_grad(mode):
    net = convnet()
    want = explain(net, batch(), 1).maps
    net.requires_grad_(False)
    with mode():
        assert_near(explain(net, batch(), 1).maps, want, 1e-6)


def test_several_devices_and_wrappers():
    net = convnet()
    want = explain(net, batch(), 1).maps
    assert torch.equal(explain(nn.DataParallel(net), batch(), 1).maps, want)
    assert torch.equal(explain(torch.compile(net), batch(), 1).maps, want)


@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 0.99), (torch.float16, 0.99)])
def test_half_precision(dtype, least):
    net = convnet()
    half = explain(copy.deepcopy(net).to(dtype), batch().to(dtype), 1)
    full = explain(net, batch(), 1)
    assert half.maps.dtype == torch.float32
    assert torch.corrcoef(torch.stack([half.maps.flatten(), full.maps.flatten()]))[0, 1] > least
    with torch.autocast("cpu", torch.bfloat16):
        mixed = explain(net, batch(), 1)
    assert torch.corrcoef(torch.stack([mixed.maps.flatten(), full.maps.flatten()]))[0, 1] > least


@dataclass
class Outputs:
    logits: torch.Tensor


class Wrapped(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.net, self.wrap = convnet(), wrap

    def forward(self, x):
        return self.wrap(self.net(x))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, y.sum()),
        lambda y: {"loss": y.sum().reshape(()), "logits": y},
        lambda y: Outputs(y),
    ],
)
def test_outputs_in_tuples_and_dicts(wrap):
    assert torch.equal(explain(Wrapped(wrap), batch(), 1).maps, explain(convnet(), batch(), 1).maps)


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.age = convnet(), nn.Linear(1, 5)

        def forward(self, age, pixel_values):
            return self.net(pixel_values) + self.age(age)

    net, age = Two(), torch.ones(3, 1)
    by_place, by_name = (
        explain(net, (age, batch()), 1),
        explain(net, {"pixel_values": batch(), "age": age}, 1),
    )
    assert torch.equal(by_place.maps, by_name.maps)
    assert by_place.maps.shape == (3, 12, 10)  # of the picture, not of the age


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_signals_and_volumes(method, axes):
    e = explain(convnet(axes), batch(axes), 1, method)
    assert e.maps.shape == (3, *SHAPES[axes][1:])
    assert e.maps.isfinite().all()


class Captioner(nn.Module):
    """A word at each of four steps, from the mean of a map."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.eye = convnet()[:6]
        self.memory, self.word = nn.GRU(8, 12, batch_first=True), nn.Linear(12, 9)

    def forward(self, x):
        seen = self.eye(x).mean((2, 3)).unsqueeze(1).expand(-1, 4, -1)
        return self.word(self.memory(seen)[0])  # [b, 4, 9]


def test_words_of_a_caption_from_a_recurrent_network():
    net = Captioner().eval()
    before = photograph(net)
    one, other = (explain(net, batch(), lambda out, step=step: out[:, step, 3]) for step in (0, 3))
    assert_same(before, photograph(net))
    assert one.layer == other.layer == "eye"
    with torch.enable_grad():  # the score's own derivative, by hand
        acts = net.eye(batch()).detach().requires_grad_()
        out = net.word(net.memory(acts.mean((2, 3)).unsqueeze(1).expand(-1, 4, -1))[0])
        (g,) = torch.autograd.grad(out[:, 3, 3].sum(), acts)
    alpha = 1 / (2 + g * acts.sum((2, 3), keepdim=True))
    want = ((alpha * g.relu()).sum((2, 3), keepdim=True) * acts).sum(1)
    assert_near(other.coarse, want.detach(), 1e-5)
    assert not torch.allclose(one.coarse, other.coarse)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
def test_scripted_compiled_and_quantised_models():
    with pytest.raises(ModelError, match=r"TorchScript.*Pass the Python model"):
        explain(torch.jit.script(nn.ReLU()), batch())
    quantised = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), torch.ao.nn.quantized.Linear(4, 2))
    with pytest.raises(
        ModelError, match=r"Explain the float model it came from, or take method=.occlusion."
    ):
        explain(quantised, batch())
    compiled = torch.compile(convnet())
    assert torch.equal(explain(compiled, batch(), 1).maps, explain(convnet(), batch(), 1).maps)


@pytest.mark.slow
def test_the_inputs_device_is_followed():
    devices = (
        ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    )
    for device in devices:
        found = explain(convnet().to(device), batch().to(device), 1, [*METHODS])
        assert all(one.maps.device.type == device for one in found.values())
    net, x = convnet(), batch()
    torch.set_default_device(
        "meta"
    )  # what followed the default and not the input would have no numbers
    try:
        e = explain(net, x, 1)
    finally:
        torch.set_default_device(None)
    assert (e.maps.device.type, float(e.maps.max())) == ("cpu", 1)


def test_threads_sharing_one_model():
    net, wrong = convnet(), []
    want = {k: explain(net, batch(seed=k), k % 5).maps for k in range(4)}

    def work(k):
        wrong.extend(
            k
            for _ in range(10)
            if not torch.equal(explain(net, batch(seed=k), k % 5).maps, want[k])
        )

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert look(net, batch()).shape == (3, 5)
