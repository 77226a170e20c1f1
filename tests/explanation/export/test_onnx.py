"""An explainer elsewhere: through torch.export, by the command, in ONNX Runtime."""

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
from torch.nn import functional as F

import sightline
from helpers.explainers import Narrow, Normed, Tokens, agree, noise
from helpers.nets import batch, convnet
from sightline import exportable, to_onnx
from sightline.apps.cli import commands
from sightline.errors import ModelError, SurgeryError


def in_runtime(path: Path, *inputs: Tensor) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, {name: one.numpy() for name, one in zip(names, inputs, strict=True)})


def test_what_cannot_be_written_is_told_before_anything_is_traced(tmp_path):
    with pytest.raises(
        ModelError, match=r"Expected an explainer; got Sequential. Make one: to_onnx"
    ):
        to_onnx(convnet(), tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"is a folder. Name one: .*explainer.onnx"):
        to_onnx(exportable(convnet(), images=batch()), tmp_path)


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize("make", [convnet, Normed])
def test_it_goes_through_torch_export(make, tmp_path):
    model = make().eval()
    explainer = exportable(model, images=noise(1, 12, 12), any_size=True)
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        explainer,
        explainer.example(),
        dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},),
        strict=False,
    )
    torch.export.save(program, tmp_path / "explainer.pt2")
    loaded = torch.export.load(tmp_path / "explainer.pt2").module()
    for shape in ((3, 20, 14), (5, 33, 40)):
        images = noise(*shape)
        agree(explainer, model, images, loaded(images))


@pytest.mark.usefixtures("shapes_unchecked")
def test_onnx_any_size_given_classes_and_the_coarse_map(tmp_path):
    model, images = Normed().eval(), noise(3, 33, 40)
    explainer = exportable(
        model, images=noise(1, 24, 24), any_size=True, target="given", coarse=True
    )
    path = to_onnx(explainer, tmp_path / "new" / "normed.onnx")
    classes = torch.tensor([3, -1, 0])
    found = in_runtime(path, images, classes)
    agree(
        explainer, model, images, found, target=classes.where(classes >= 0, model(images).argmax(1))
    )
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
    said = CliRunner().invoke(
        commands, ["export", "lookout", "-o", str(path), "-t", "tabby", "-m", "grad-cam"]
    )
    assert said.exit_code == 0, said.output
    assert (
        said.output
        == f"{path}: grad_cam at 'features', the last feature map (160 channels, 10 x 10 places)\n"
    )
    about = json.loads(
        onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map["sightline"]
    )
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
    ("name", "way"),
    [("resnet50", "head"), ("mobilenet_v2", "head"), ("vgg16", "tail"), ("convnext_tiny", "tail")],
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
    np.savez(
        tmp_path / "known.npz", images=images.numpy(), outputs=outputs.numpy(), maps=e.maps.numpy()
    )
    found = subprocess.run(
        [sys.executable, "-c", ALONE, str(path), str(tmp_path / "known.npz")],
        capture_output=True,
        text=True,
    )
    path.unlink()  # half a gigabyte of VGG need not wait for the end of the session
    assert found.stdout == "agreed without sightline torch\n", found.stderr
