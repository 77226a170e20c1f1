"""From a name to a model."""

import subprocess
import sys

import pytest
import torch

from sightline.errors import ModelError
from sightline.models import card_for, find, from_timm, from_torchvision, known, load
from sightline.models import registry as sources


def test_known_begins_with_the_bundled_model_and_names_both_libraries():
    names = known()
    assert names[0] == "lookout"
    assert "torchvision/resnet50" in names
    assert "timm/resnet50" in names
    assert len(names) == len(set(names))
    assert len(names) == 1 + len(from_torchvision.names()) + len(from_timm.names())


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("torchvision/vgg1[13]", ["torchvision/vgg11", "torchvision/vgg13"]),
        ("SqueezeNet", ["torchvision/squeezenet1_0", "torchvision/squeezenet1_1"]),
        ("lookout", ["lookout"]),
        ("resnet50", None),
        ("no such thing", []),
    ],
)
def test_find(pattern, found):
    names = find(pattern)
    if found is None:
        assert {"torchvision/resnet50", "timm/resnet50", "timm/seresnet50"} <= set(names)
    else:
        assert names == found


def test_find_with_a_star_matches_whole_names():
    assert "timm/seresnet50" not in find("resnet50*")
    assert "timm/resnet50d" in find("resnet50*")


def test_a_plain_name_means_torchvision_first_and_the_card_says_so():
    card = card_for("resnet50")
    assert card.name == "torchvision/resnet50"
    assert card.source.endswith(
        "a plain name is looked up in torchvision first: torchvision/resnet50"
    )
    assert "plain name" not in card_for("torchvision/resnet50").source
    assert card_for("mobilenetv2_100").name == "timm/mobilenetv2_100.ra_in1k"


def test_load_gives_a_model_that_is_ready():
    torch.manual_seed(0)
    model, card = load("resnet18", pretrained=False)
    assert not any(module.training for module in model.modules())
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
    assert card.layer == "layer4"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("resnet5", "there is no model 'resnet5'. Near names: 'resnet50'"),
        ("ResNet50", "Near names: 'resnet50'"),
        ("lookuot", "Near names: 'lookout'"),
        ("torchvision/resnet5", "torchvision has no model 'resnet5'. Near names: 'resnet50'"),
        ("timm/resnet5", "timm has no model 'resnet5'. Near names: 'resnet50'"),
        ("torchvison/resnet50", "Near names: 'torchvision/resnet50'"),
        ("", "On offer: 'lookout'"),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(name, says):
    for ask in (load, card_for):
        with pytest.raises(ModelError) as caught:
            ask(name)
        assert says in str(caught.value)


def test_two_sources_of_weights_are_one_too_many(tmp_path):
    with pytest.raises(ModelError, match="a local file and pretrained=True"):
        load("resnet18", weights=tmp_path / "w.pth", pretrained=True)


@pytest.fixture
def without_libraries(monkeypatch):
    """As if neither library were installed."""
    for library, room in sources.LIBRARIES.items():
        monkeypatch.setitem(sys.modules, library, None)
        room.names.cache_clear()
    yield
    monkeypatch.undo()
    for room in sources.LIBRARIES.values():
        room.names.cache_clear()


def test_a_library_that_is_not_installed(without_libraries):
    assert known() == ["lookout"]
    for name in ("torchvision/resnet50", "timm/resnet50"):
        with pytest.raises(
            ModelError, match=r"cannot be imported.*pip install 'sightline-cam\[models\]'"
        ):
            load(name)
    with pytest.raises(
        ModelError,
        match=(
            r"Not available here: torchvision and timm\."
            r" Run: pip install 'sightline-cam\[models\]'"
        ),
    ):
        load("resnet50")


@pytest.mark.slow
def test_importing_the_room_imports_no_library():
    code = (
        "import sys, sightline.models; print([m for m in ('torchvision', 'timm') if m in"
        " sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
