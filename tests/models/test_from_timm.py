"""timm's models and all of their cards."""

import json
import math
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import nn

from sightline.errors import ModelError
from sightline.models import download, from_timm, load
from sightline.models.card import Card
from sightline.types import Preprocess

TINY = "test_resnet"  # timm's own model for tests


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, and no net."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "urlopen", lambda *_, **__: pytest.fail("asked the net"))
    return tmp_path


@pytest.mark.slow
def test_every_card():
    names = from_timm.names()
    assert len(names) > 1000
    for name in names:
        card = from_timm.card_for(name)
        config = timm.models.get_pretrained_cfg(name)
        assert card.name.partition(".")[0] == f"timm/{name}"
        assert card.preprocess.crop == config.input_size[1:]
        assert card.preprocess.resize >= max(card.preprocess.crop), name
        if config.crop_pct <= 1:
            assert card.preprocess.resize == math.floor(max(config.input_size) / config.crop_pct)
        assert card.preprocess.interpolation == config.interpolation
        assert card.preprocess.mean == tuple(config.mean)
        assert card.preprocess.std == tuple(config.std)
        assert card.classes is None or len(card.classes) == config.num_classes
        assert ("crop mode" in card.source) is (config.crop_mode != "center")
        assert card.licence
        assert card.layer is None
    assert Card.from_dict(json.loads(json.dumps(card.as_dict()))) == card


def test_some_values_of_known_recipes():
    card = from_timm.card_for("resnet50.a1_in1k")
    assert card.preprocess == Preprocess(235, (224, 224), "bicubic")
    assert card.licence == "apache-2.0"
    assert card.source == "timm, timm/resnet50.a1_in1k"
    assert card.classes[281] == "tabby"
    half = (0.5, 0.5, 0.5)
    vit = from_timm.card_for("vit_base_patch16_224.augreg_in21k")
    assert vit.preprocess == Preprocess(248, (224, 224), "bicubic", half, half)
    assert len(vit.classes) == 21843
    assert from_timm.card_for("vit_small_patch14_dinov2").classes is None  # no head


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_local_file(tmp_path, suffix):
    wanted = timm.create_model(TINY).eval()
    file = tmp_path / f"mine.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(wanted.state_dict(), file)
    model, card = load(f"timm/{TINY}", weights=file)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), wanted(x))
    assert not model.training
    assert card.source.startswith(
        f"local file mine.{suffix}; preprocessing and class names assumed"
    )
    assert len(card.classes) == 1000


@pytest.mark.parametrize("name", [TINY, "mobilenetv3_small_050", "test_vit"])
def test_a_file_brings_its_number_of_classes(tmp_path, name):
    torch.save(timm.create_model(name, num_classes=6).state_dict(), tmp_path / "mine.pth")
    model, card = load(f"timm/{name}", weights=tmp_path / "mine.pth")
    assert model.num_classes == 6
    assert card.classes is None
    assert "class names" not in card.source


def test_names_of_another_library_are_translated_by_timm(tmp_path):
    wanted = timm.create_model("test_vit").state_dict()
    stored = {
        f"visual.trunk.{key}": tensor for key, tensor in wanted.items()
    }  # as OpenCLIP saves it
    torch.save({**stored, "logit_scale": torch.ones(())}, tmp_path / "mine.pth")
    model = load("timm/test_vit", weights=tmp_path / "mine.pth").model
    assert torch.equal(model.head.weight, wanted["head.weight"])


def test_the_wrong_architecture(tmp_path):
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "mine.pth")
    for name in (TINY, "test_vit"):
        with pytest.raises(
            ModelError, match=r"'mine.pth' does not fit .*not expected: weight, bias"
        ):
            load(f"timm/{name}", weights=tmp_path / "mine.pth")


def test_options_reach_the_builder_and_the_description_the_card():
    model, card = load(
        f"timm/{TINY}",
        pretrained=False,
        num_classes=3,
        pretrained_cfg_overlay={"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)},
    )
    assert model.num_classes == 3
    assert card.preprocess.mean == (0.5, 0.5, 0.5)
    assert card.preprocess.std == (0.25, 0.25, 0.25)
    assert card.classes is None
    with pytest.raises(
        ModelError, match=r"timm cannot build test_resnet with pad_typ='same'.*timm.create_model"
    ):
        load(f"timm/{TINY}", pretrained=False, pad_typ="same")


def test_a_transformer_built_for_another_size():
    card = load("timm/test_vit", pretrained=False, img_size=96).card
    assert card.preprocess.crop == (96, 96)
    assert card.preprocess.resize == 101  # floor(96 / 0.95)


def test_pretrained_weights_that_are_in_the_cache_need_no_net(hub):
    wanted = timm.create_model(TINY).eval()
    repository = hub / "models--timm--test_resnet.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    save_file(wanted.state_dict(), repository / "snapshots" / "abc" / "model.safetensors")
    model, card = load(f"timm/{TINY}")
    assert torch.equal(model.fc.weight, wanted.fc.weight)
    assert card == from_timm.card_for(TINY)
    other = load(f"timm/{TINY}", pretrained_cfg_overlay={"crop_pct": 1.0})
    assert torch.equal(other.model.fc.weight, wanted.fc.weight)
    assert other.card.preprocess.resize == 160


def test_without_net_the_ways_out_are_told_before_anything_is_built(hub, monkeypatch):
    asked: list[str] = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        raise OSError("Network is unreachable")

    monkeypatch.setattr(download, "urlopen", urlopen)
    monkeypatch.setattr(from_timm, "built", lambda *_: pytest.fail("built"))
    with pytest.raises(
        ModelError, match=r"'timm/test_resnet'.*Network is unreachable.*--weights FILE"
    ):
        load(f"timm/{TINY}")
    assert asked == [constants.ENDPOINT]


def test_a_hub_set_to_offline_is_not_asked(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="could not be fetched"):
        load(f"timm/{TINY}")


def test_a_model_without_weights_says_so():
    with pytest.raises(
        ModelError, match=r"no pretrained weights for 'botnet50ts_256'.*pretrained=False"
    ):
        load("timm/botnet50ts_256")


def test_unknown_weights():
    with pytest.raises(
        ModelError, match=r"timm has no weights 'a1_in2k' for resnet50. Near names: 'a1_in1k'"
    ):
        load("timm/resnet50.a1_in2k")
