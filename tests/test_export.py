"""A model that explains itself: the outputs and maps of `explain`, also in ONNX Runtime, where there is no PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from click.testing import CliRunner
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

import sightline
from explainers import Narrow, Normed, Tokens, agree, noise
from nets import assert_same, batch, convnet, photograph
from sightline import METHODS, exportable, to_onnx
from sightline.cli import commands
from sightline.errors import ImageError, MethodError, ModelError, SurgeryError, TargetError
from sightline.surgery.apart import APART
from sightline.surgery.tail import _backwards
from sightline.upsample import _linear, image_map, image_map_unread

ONE_PASS = ("grad_cam", "grad_cam_pp", "grad_cam_plus", "hires_cam", "layer_cam", "xgrad_cam", "grad_cam_pp_sigmoid")
HEAD_ONLY = ("cam", "grad_cam_pp_softmax", "grad_cam_pp_log_softmax")


def in_runtime(path: Path, *inputs: Tensor) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, {name: one.numpy() for name, one in zip(names, inputs, strict=True)})


# The way back, taken apart


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(4, 6, 3, stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2), (11, 14)),
        (nn.Conv2d(4, 6, (3, 5), padding="same"), (9, 8)),
        (nn.Conv2d(4, 8, 1, stride=4, groups=4), (10, 7)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2), (5, 6)),
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
    """One layer between two others, looked back through by autograd and by the written graph, in float64."""
    torch.manual_seed(7)
    images = torch.randn(2, 4, *size, dtype=torch.float64)
    net = nn.Sequential(layer, nn.Tanh()).double().eval().requires_grad_(False)
    seed = torch.randn_like(net(images))

    def back(images: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        leaf = images.detach().requires_grad_()
        out = net(leaf.clone())
        return out.detach(), torch.autograd.grad(out, leaf, seed)[0]

    graph = make_fx(back, decomposition_table=_backwards() | APART)(images, seed)
    kernels = [str(node.target) for node in graph.graph.nodes if "backward" in str(node.target)]
    assert kernels == []
    for found, want in zip(graph(images, seed), back(images, seed), strict=True):
        torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)


def test_a_derivative_that_nobody_takes_apart_is_told():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.LPPool2d(2, 2), nn.FractionalMaxPool2d(2, 2), nn.Flatten())
    with pytest.raises(SurgeryError, match=r"aten.fractional_max_pool2d_backward.default cannot\. Choose a later"):
        exportable(model, "1", images=noise(1, 12, 12))


# In Python


@pytest.mark.parametrize("method", [*ONE_PASS, *HEAD_ONLY])
def test_behind_a_pooled_linear_head_every_method_is_closed_form(method):
    model, images = convnet(), batch()
    explainer = exportable(model, method=method, images=images, coarse=True)
    assert explainer.way == "head"
    agree(explainer, model, images, explainer(images))


@pytest.mark.parametrize("method", ONE_PASS)
def test_behind_any_other_head_the_look_back_is_written_down(method):
    model, images = convnet(head="fc", inplace=True), batch()
    explainer = exportable(model, method=method, images=images, coarse=True)
    assert explainer.way == "tail"
    agree(explainer, model, images, explainer(images))
    agree(explainer, model, images[:1], explainer(images[:1]))


@pytest.mark.parametrize("method", ["grad_cam_plus", "layer_cam"])
@pytest.mark.parametrize(("kind", "layer"), [(Narrow, "body"), (Tokens, "mix"), (Normed, None)])
def test_what_pytorch_leaves_to_kernels_is_written_down_too(kind, layer, method):
    model, images = kind().eval(), noise(3, 20, 24)
    explainer = exportable(model, layer, method, images=images, coarse=True)
    assert explainer.way == "tail"
    agree(explainer, model, images, explainer(images))
    agree(explainer, model, images[:1], explainer(images[:1]))


def test_the_class_is_the_predicted_one_or_a_given_one_or_always_the_same():
    for model in (convnet(), convnet(head="fc")):
        images = batch(b=4)
        predicted = model(images).argmax(1)
        classes = torch.tensor([4, -1, 0, -1])
        asked = exportable(model, target="given", method="hires_cam", images=images, coarse=True)
        agree(asked, model, images, asked(images, classes), target=classes.where(classes >= 0, predicted))
        fixed = exportable(model, target="c", classes="abcde", images=images)
        agree(fixed, model, images, fixed(images), target=2)
        assert fixed.card.classes == tuple("abcde")


def test_a_single_logit_has_two_classes():
    for head in ("pool", "fc"):
        model, images = convnet(head=head, classes=1), batch(b=6)
        explainer = exportable(model, method="hires_cam", images=images, target="given", coarse=True)
        assert explainer(images, torch.zeros(6, dtype=torch.long))[0].shape == (6, 1)
        for classes in (torch.tensor([0, 1, 0, 1, 0, 1]), model(images)[:, 0].gt(0).long()):
            agree(explainer, model, images, explainer(images, classes), target=classes)
        predicted = torch.full((6,), -1)
        agree(explainer, model, images, explainer(images, predicted))


def test_any_size_where_the_model_allows_it():
    for model in (convnet(), Normed().eval()):
        explainer = exportable(model, images=noise(1, 24, 24), any_size=True, coarse=True)
        for size in ((24, 24), (31, 40), (50, 26)):
            images = noise(3, *size)
            agree(explainer, model, images, explainer(images))


@pytest.mark.parametrize("model", [convnet(head="fc"), Tokens().eval(), Narrow().eval()])
def test_any_size_is_refused_where_the_model_does_not(model):
    layer = {Narrow: "body", Tokens: "mix"}.get(type(model))
    size = (12, 10) if isinstance(model, nn.Sequential) else (20, 24)
    with pytest.raises(SurgeryError, match=r"pictures of any size; .* does not hold for .* Leave any_size out"):
        exportable(model, layer, images=noise(1, *size), any_size=True)


def test_a_pool_over_a_fixed_window_is_global_for_one_size_only():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.LazyLinear(3)).eval()
    model(noise(1, 8, 8))
    assert exportable(model, "1", images=noise(1, 8, 8)).way == "head"
    with pytest.raises(SurgeryError, match="Leave any_size out"):
        exportable(model, "1", images=noise(1, 8, 8), any_size=True)


def test_the_model_stays_as_it_is_and_shares_its_weights():
    for head in ("pool", "fc"):
        model, images = convnet(head=head).train(), batch()
        model[0].weight.requires_grad_(False)
        before = photograph(model)
        explainer = exportable(model, images=images)
        explainer(images)
        assert_same(before, photograph(model))
        with torch.no_grad():
            model[0].weight.mul_(-1.5)
        agree(explainer, model.eval(), images, explainer(images))


def test_a_layer_that_runs_twice_is_taken_at_the_run_asked_for():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.same, self.act, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.SiLU(), nn.Linear(3, 4)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.act(self.same(self.act(self.same(images)))).mean((2, 3)))

    model, images = Twice().eval(), noise(2, 12, 12)
    for call in (0, 1):
        explainer = exportable(model, "act", images=images, call=call, coarse=True)
        assert explainer.way == ("tail", "head")[call]
        agree(explainer, model, images, explainer(images), call=call)


# What cannot be


@pytest.mark.parametrize("method", [name for name in METHODS if name not in (*ONE_PASS, *HEAD_ONLY)])
def test_a_method_that_takes_more_than_one_pass_is_refused_or_right(method):
    model, images = convnet(), batch()
    try:
        explainer = exportable(model, method=method, images=images)
    except MethodError as error:
        assert "Take grad_cam_pp" in str(error)  # noqa: PT017
        return
    agree(explainer, model, images, explainer(images))


@pytest.mark.parametrize("method", HEAD_ONLY)
def test_what_needs_every_class_is_refused_behind_other_heads(method):
    with pytest.raises(MethodError, match="behind a pooled linear head only; Sequential has something else behind '5'"):
        exportable(convnet(head="fc"), method=method, images=batch())


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"method": "gradient"}, MethodError, "looks back to the pixels"),
        ({"method": "guided_grad_cam"}, MethodError, "looks back to the pixels"),
        ({"method": ["cam", "grad_cam"]}, MethodError, "Expected one method; got a list"),
        ({"target": "zebra"}, TargetError, "class names are not known"),
        ({"target": 5}, TargetError, "Expected a class from 0 to 4"),
        ({"target": torch.tensor([1])}, TargetError, "target='given' takes classes as a second input"),
        ({"images": torch.zeros(3, 12, 10)}, ImageError, r"got torch.float32 \[3, 12, 10\]"),
        ({"images": torch.zeros(1, 3, 12, 10, dtype=torch.uint8)}, ImageError, "Expected a float tensor"),
    ],
)
def test_what_cannot_be_exported_is_told(asked, error, says):
    with pytest.raises(error, match=says):
        exportable(convnet(), **{"images": batch(), **asked})


def test_what_an_explainer_was_not_made_for_is_told():
    explainer = exportable(convnet(), images=batch())
    with pytest.raises(ImageError, match=r"size \[12, 10\] .* got \[12, 12\]. Resize"):
        explainer(noise(1, 12, 12))
    with pytest.raises(ImageError, match=r"\[b, 3, 12, 10\]; got \[3, 12, 10\]"):
        explainer(noise(1, 12, 10)[0])
    with pytest.raises(TargetError, match="Expected no classes; some came"):
        explainer(batch(), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TargetError, match="a class for each image as second input; none came"):
        exportable(convnet(), images=batch(), target="given")(batch())
    given = exportable(convnet(), images=batch(), target="given")
    for classes in (torch.tensor([1]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[1], [2], [3]])):
        with pytest.raises(TargetError, match=r"an integer tensor \[3\]; got"):
            given(batch(), classes)
    with pytest.raises(ImageError, match=r"a float tensor \[b, 3, 12, 10\]; got torch.uint8"):
        explainer(batch().to(torch.uint8))
    with pytest.raises(ModelError, match=r"in torch.bfloat16.* model.float\(\)"):
        exportable(convnet().bfloat16(), images=batch())


def test_what_cannot_be_written_is_told_before_anything_is_traced(tmp_path):
    with pytest.raises(ModelError, match=r"Expected an explainer; got Sequential. Make one: to_onnx"):
        to_onnx(convnet(), tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"is a folder. Name one: .*explainer.onnx"):
        to_onnx(exportable(convnet(), images=batch()), tmp_path)


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
        torch.testing.assert_close(image_map_unread(coarse, size), image_map(coarse, size), rtol=0, atol=1e-6)


def test_what_an_exporter_computes_with_is_not_kept():
    _linear.cache_clear()
    explainer = exportable(convnet(), images=batch())
    torch.export.export(explainer, explainer.example(), strict=False)
    assert type(_linear(12, 10, torch.float32)) is Tensor
    assert type(_linear(10, 12, torch.float32)) is Tensor
    explainer(batch())


# Elsewhere


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize("make", [convnet, Normed])
def test_it_goes_through_torch_export(make, tmp_path):
    model = make().eval()
    explainer = exportable(model, images=noise(1, 12, 12), any_size=True)
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        explainer, explainer.example(), dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},), strict=False
    )
    torch.export.save(program, tmp_path / "explainer.pt2")
    loaded = torch.export.load(tmp_path / "explainer.pt2").module()
    for shape in ((3, 20, 14), (5, 33, 40)):
        images = noise(*shape)
        agree(explainer, model, images, loaded(images))


@pytest.mark.usefixtures("shapes_unchecked")
def test_onnx_any_size_given_classes_and_the_coarse_map(tmp_path):
    model, images = Normed().eval(), noise(3, 33, 40)
    explainer = exportable(model, images=noise(1, 24, 24), any_size=True, target="given", coarse=True)
    path = to_onnx(explainer, tmp_path / "new" / "normed.onnx")
    classes = torch.tensor([3, -1, 0])
    found = in_runtime(path, images, classes)
    agree(explainer, model, images, found, target=classes.where(classes >= 0, model(images).argmax(1)))
    agree(explainer, model, images[:1, :, :26], in_runtime(path, images[:1, :, :26], classes[1:2]))


@pytest.mark.parametrize(("kind", "layer"), [(Narrow, "body"), (Tokens, "mix")])
def test_onnx_takes_all_that_was_taken_apart(kind, layer, tmp_path):
    model, images = kind().eval(), noise(3, 20, 24)
    explainer = exportable(model, layer, "layer_cam", images=images, coarse=True)
    path = to_onnx(explainer, tmp_path / "explainer.onnx")
    agree(explainer, model, images, in_runtime(path, images))
    agree(explainer, model, images[:1], in_runtime(path, images[:1]))


def test_what_onnx_has_no_operators_for_is_told(tmp_path):
    def turned(activations: Tensor) -> Tensor:
        return torch.linalg.svd(activations.flatten(2)).U[:, :, :1].unsqueeze(3)

    explainer = exportable(convnet(), method=turned, images=batch())
    with pytest.raises(SurgeryError, match=r"turned at '5' could not be written .*svd"):
        to_onnx(explainer, tmp_path / "explainer.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_file_that_says_what_it_is(tmp_path):
    import onnxruntime

    path = tmp_path / "lookout.onnx"
    said = CliRunner().invoke(commands, ["export", "lookout", "-o", str(path), "-t", "tabby", "-m", "grad-cam"])
    assert said.exit_code == 0, said.output
    assert said.output == f"{path}: grad_cam at 'features', the last feature map (160 channels, 10 x 10 places)\n"
    about = json.loads(onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map["sightline"])
    model, card = sightline.load("lookout")
    assert about["classes"] == list(card.classes)
    assert about["preprocess"]["mean"] == list(card.preprocess.mean)
    assert (about["target"], about["layer"], about["input"]) == (13, "features", ["b", 3, 80, 80])
    images = noise(2, 80, 80)
    agree(exportable(model, method="grad_cam"), model, images, in_runtime(path, images), target=13)


ALONE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
known = numpy.load(sys.argv[2])
for some in (slice(None), slice(1, 2)):
    outputs, maps = session.run(["outputs", "maps"], {"images": known["images"][some]})
    for found, want in ((outputs, known["outputs"][some]), (maps, known["maps"][some])):
        assert found.shape == want.shape, (found.shape, want.shape)
        assert abs(found - want).max() <= 1e-3, abs(found - want).max()
assert "torch" not in sys.modules, "torch"
print("agreed without", *sorted({"torch", "sightline"} - set(sys.modules)))
"""


def lively(model: nn.Module, images: Tensor) -> nn.Module:
    """Random weights whose maps are not the same everywhere: batch norms know these images."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    with torch.no_grad():
        model.train()(images)
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "way"), [("resnet50", "head"), ("mobilenet_v2", "head"), ("vgg16", "tail"), ("convnext_tiny", "tail")]
)
def test_deployed_networks_say_the_same_without_pytorch(name, way, tmp_path):
    torch.manual_seed(0)
    images = F.interpolate(noise(4, 8, 10), (128, 160), mode="bilinear") + 0.3 * noise(4, 128, 160)
    model = lively(getattr(torchvision.models, name)(weights=None), images)
    explainer = exportable(model, images=images)
    assert explainer.way == way
    e = sightline.explain(model, images)
    assert e.layer == explainer.layer
    assert e.maps.flatten(1).std(1).min() > 0.02
    assert e.scores.abs().min() > 0.1
    with torch.no_grad():
        outputs = model(images)
    path = to_onnx(explainer, tmp_path / f"{name}.onnx")
    np.savez(tmp_path / "known.npz", images=images.numpy(), outputs=outputs.numpy(), maps=e.maps.numpy())
    found = subprocess.run(
        [sys.executable, "-c", ALONE, str(path), str(tmp_path / "known.npz")], capture_output=True, text=True
    )
    path.unlink()  # half a gigabyte of VGG need not wait for the end of the session
    assert found.stdout == "agreed without sightline torch\n", found.stderr
