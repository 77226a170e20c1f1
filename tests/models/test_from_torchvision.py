"""torchvision's models with local files, cached downloads and random weights."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from sightline.errors import ModelError
from sightline.models import download, from_torchvision, load
from sightline.types import Preprocess


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty cache of torch.hub, and no net."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(download, "urlopen", lambda *_, **__: pytest.fail("asked the net"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def squeezenet(classes: int = 1000) -> nn.Module:
    torch.manual_seed(1)
    return models.squeezenet1_1(num_classes=classes).eval()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_local_file(tmp_path, suffix):
    wanted = squeezenet()
    file = tmp_path / f"mine.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(wanted.state_dict(), file)
    model, card = load("torchvision/squeezenet1_1", weights=file)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), wanted(x))
    assert not any(module.training for module in model.modules())
    assert card.layer == "features.12"
    assert card.classes[0] == "tench"
    assert card.preprocess == Preprocess()
    assert card.source.startswith(
        f"local file mine.{suffix}; preprocessing and class names assumed"
    )
    assert card.licence == "see where the local file comes from"


@pytest.mark.slow
def test_a_file_brings_its_number_of_classes_and_drops_the_names(tmp_path):
    for name, model in (
        ("squeezenet1_1", squeezenet(7)),
        ("resnet18", models.resnet18(num_classes=3)),
    ):
        torch.save({"state_dict": model.state_dict()}, tmp_path / "mine.pth")
        loaded = load(name, weights=tmp_path / "mine.pth")
        assert loaded.model.eval()(torch.zeros(1, 3, 64, 64)).shape == (
            1,
            7 if name == "squeezenet1_1" else 3,
        )
        assert loaded.card.classes is None
        assert "class names" not in loaded.card.source


def test_a_wrong_number_of_classes_said_by_hand_is_an_error(tmp_path):
    torch.save(squeezenet(7).state_dict(), tmp_path / "mine.pth")
    with pytest.raises(ModelError, match="Is the number of classes right"):
        load("squeezenet1_1", weights=tmp_path / "mine.pth", num_classes=9)


def test_the_wrong_architecture(tmp_path):
    torch.save(squeezenet().state_dict(), tmp_path / "mine.pth")
    with pytest.raises(
        ModelError,
        match=r"'mine.pth' does not fit ResNet: missing: conv1.weight.*right architecture",
    ):
        load("resnet18", weights=tmp_path / "mine.pth")


def test_a_file_named_as_the_download_is_gets_the_card_of_these_weights(tmp_path):
    entries = models.get_model_weights("mobilenet_v2")
    file = tmp_path / Path(entries.IMAGENET1K_V1.url).name
    torch.save(models.mobilenet_v2().state_dict(), file)
    card = load("mobilenet_v2", weights=file).card
    assert card.preprocess.resize == 256  # IMAGENET1K_V2, the default, has 232
    assert "weights IMAGENET1K_V1" in card.source
    assert card.licence == from_torchvision.card_for("mobilenet_v2").licence


def test_pretrained_weights_that_are_in_the_cache_need_no_net(hub):
    wanted = squeezenet()
    torch.save(wanted.state_dict(), hub / "squeezenet1_1-b8a52dc0.pth")
    model, card = load("torchvision/squeezenet1_1")
    assert torch.equal(model.classifier[1].weight, wanted.classifier[1].weight)
    assert card == from_torchvision.card_for("squeezenet1_1")


def test_a_damaged_cache_says_so(hub):
    (hub / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"PK\x03\x04" + bytes(99))
    with pytest.raises(ModelError, match="could not be fetched"):
        load("torchvision/squeezenet1_1")


def test_without_net_the_ways_out_are_told_before_anything_is_built(hub, monkeypatch):
    asked: list[str] = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        raise OSError("Network is unreachable")

    monkeypatch.setattr(download, "urlopen", urlopen)
    monkeypatch.setattr(from_torchvision, "_built", lambda *_: pytest.fail("built"))
    with pytest.raises(
        ModelError, match=r"Network is unreachable.*--weights FILE.*pretrained=False"
    ):
        load("resnet50.IMAGENET1K_V1")
    assert asked == ["https://download.pytorch.org/models/resnet50-0676ba61.pth"]


def test_random_weights(hub):
    torch.manual_seed(5)
    first = load("torchvision/resnet18", pretrained=False)
    torch.manual_seed(5)
    assert torch.equal(
        load("torchvision/resnet18", pretrained=False).model.fc.weight, first.model.fc.weight
    )
    second = load("torchvision/resnet18", pretrained=False, num_classes=4)
    assert first.card.source.startswith("random weights; ")
    assert (len(first.card.classes), second.card.classes) == (1000, None)


def test_random_weights_of_an_architecture_whose_default_weights_are_of_another_size(monkeypatch):
    tiny = models.VisionTransformer(224, 14, 2, 2, 8, 8)
    monkeypatch.setattr(from_torchvision, "_built", lambda *_: tiny)
    card = from_torchvision.build("vit_h_14", None, False, {})[1]
    assert card.preprocess.crop == (224, 224)
    assert card.layer == "encoder.layers.encoder_layer_1.ln_1"


def test_options_that_do_not_exist():
    with pytest.raises(
        ModelError, match=r"cannot build resnet18 with pad_type='same'.*torchvision.models.resnet18"
    ):
        load("resnet18", pretrained=False, pad_type="same")


def test_unknown_weights():
    with pytest.raises(
        ModelError,
        match=re.escape("no weights 'IMAGENET1K_V3' for resnet50. Near names: 'IMAGENET1K_V2'"),
    ):
        load("torchvision/resnet50.IMAGENET1K_V3")


@pytest.mark.slow
@pytest.mark.parametrize("auxiliary", [True, False])
def test_googlenet_gets_back_what_torchvision_sets_for_its_own_weights(tmp_path, auxiliary):
    wanted = models.googlenet(init_weights=False, aux_logits=auxiliary, num_classes=5).eval()
    torch.save(wanted.state_dict(), tmp_path / "mine.pth")
    model = load("googlenet", weights=tmp_path / "mine.pth").model
    assert model.transform_input
    assert (model.aux1 is not None) is auxiliary
    wanted.transform_input = True
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), wanted(x))


def test_the_old_names_of_densenet():
    with torch.device("meta"):
        names = models.densenet121().state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): tensor
        for name, tensor in names.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert set(from_torchvision._renamed("densenet121", old)) == set(names)
    assert from_torchvision._renamed("resnet18", old) is old


def test_the_input_size_of_a_transformer_is_read_from_its_positions():
    stored = {
        "encoder.pos_embedding": torch.empty(1, 24 * 24 + 1, 768, device="meta"),
        "conv_proj.weight": torch.empty(768, 3, 16, 16, device="meta"),
    }
    assert from_torchvision._image_size("vit_b_16", stored) == {"image_size": 384}
    assert from_torchvision._image_size("resnet50", stored) == {}
    assert from_torchvision._image_size("vit_b_16", {}) == {}
