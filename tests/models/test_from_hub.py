"""Models of timm's on the hub: from what an earlier download has left, and without a connection."""

import json

import huggingface_hub as hub
import pytest
import timm
import torch

import sightline
from sightline.errors import ModelError


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What the hub's client has fetched: a model of timm's, one without weights, another's."""
    place = tmp_path_factory.mktemp("hub")
    model = timm.create_model("test_resnet", num_classes=4)
    for owner, weights in (("me/tiny", True), ("me/bare", False), ("me/other", False)):
        folder = place / f"models--{owner.replace('/', '--')}"
        snapshot = folder / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("abc")
        if owner == "me/other":
            (snapshot / "config.json").write_text(json.dumps({"model_type": "vit"}))
            continue
        timm.models.save_for_hf(model, snapshot, model_config={"label_names": list("abcd")})
        if not weights:
            for file in snapshot.iterdir():
                if file.suffix != ".json":
                    file.unlink()
    return place, model.eval()


@pytest.fixture(autouse=True)
def offline(cache, monkeypatch):
    """No connection, and this cache."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(cache[0]))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(cache[0]), raising=False)


def test_a_model_fetched_before_comes_with_its_weights_and_card(cache):
    model, card = sightline.load("hf-hub:me/tiny")
    assert not model.training
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images), cache[1](images))
    assert card.classes == ("a", "b", "c", "d")
    assert card.source == "timm, me/tiny"
    assert card.preprocess.assumed == ()


def test_weights_of_a_file_and_random_ones_need_its_description_only(cache, tmp_path):
    file = tmp_path / "mine.pth"
    torch.save(cache[1].state_dict(), file)
    model, card = sightline.load("hf-hub:me/bare", weights=file)
    assert all(
        torch.equal(one, other)
        for one, other in zip(model.parameters(), cache[1].parameters(), strict=True)
    )
    assert card.source.startswith("local file mine.pth")
    model, card = sightline.load("hf-hub:me/bare", pretrained=False, num_classes=7)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    assert card.source == "random weights; all else as for timm, me/bare"


def test_without_a_connection_it_says_what_failed_and_what_to_do():
    said = r"'hf-hub:me/gone' could not be fetched from the Hugging Face hub: .*--weights FILE"
    with pytest.raises(ModelError, match=said):
        sightline.load("hf-hub:me/gone")
    with pytest.raises(ModelError, match=r"--model timm/resnet18\.a1_in1k --weights FILE"):
        sightline.load("hf-hub:timm/resnet18.a1_in1k")
    with pytest.raises(ModelError, match=r"'hf-hub:me/bare' could not be fetched"):
        sightline.load("hf-hub:me/bare")


def test_a_model_under_timm_s_own_name_needs_no_hub_where_a_file_has_its_weights(tmp_path):
    made = timm.create_model("test_resnet").eval()
    file = tmp_path / "mine.pth"
    torch.save(made.state_dict(), file)
    model, _ = sightline.load("hf-hub:timm/test_resnet.r160_in1k", weights=file)
    assert torch.equal(model.conv1[0].weight, made.conv1[0].weight)


def test_no_network_is_waited_for(monkeypatch):
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"could not be fetched .*Connection refused"):
        sightline.load("hf-hub:me/gone")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf-hub:tiny", "expected hf-hub:owner/name; got 'hf-hub:tiny'"),
        ("hf-hub:", "expected hf-hub:owner/name"),
        ("hf-hub:me/other", "is no model of timm's: its config.json names no architecture"),
    ],
)
def test_what_is_no_model_of_timm_s(name, said):
    with pytest.raises(ModelError, match=said):
        sightline.load(name)


def test_a_card_alone_is_not_to_be_had():
    with pytest.raises(ModelError, match="has to be loaded: load"):
        sightline.models.card_for("hf-hub:me/tiny")
