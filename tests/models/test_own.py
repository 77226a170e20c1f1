"""A model of one's own by its path: what may stand there, and what cannot."""

import sys

import pytest
import torch
from torch import nn

import sightline
from sightline.errors import ModelError
from sightline.models import card_of, load_with

NETS = """
import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self, classes=3, *, width=4):
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, classes))

def build(**options): return Net(**options)
def taught(pretrained=True, weights="w"):
    net = Net(); net.said = (pretrained, weights); return net
def carded():
    import sightline
    net = Net()
    sightline.describe(net, sightline.Card("pets", "1", sightline.Preprocess(32, (32, 32)),
                                           ("a", "b", "c"), "by me"))
    return net
def needs(classes): return Net(classes)
def raises(): raise KeyError("no such part")
def leaves(): raise SystemExit
def pair(): return Net(), 3
def nothing(): return None
def later():
    import beside_own
    return beside_own.Net()

class Plain: pass
ready = Net().train()
number = 3
"""


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """The path of a file with all of these."""
    place = tmp_path_factory.mktemp("own")
    (place / "nets_of_own.py").write_text(NETS)
    (place / "beside_own.py").write_text("from torch import nn\nNet = nn.Flatten")
    yield str(place / "nets_of_own.py")
    sys.modules.pop("nets_of_own", None)
    sys.modules.pop("beside_own", None)


@pytest.mark.parametrize("name", ["Net", "build", "ready"])
def test_a_class_a_function_or_a_module_that_is_ready(name, nets):
    model, card = sightline.load(f"{nets}:{name}")
    assert not any(part.training for part in model.modules())
    assert card == card_of(model)
    assert card.name == f"{nets}:{name}"
    assert card.source == f"{nets}:{name}, weights as it gives them"
    assert card.preprocess == sightline.Preprocess()
    assert card.preprocess.assumed == ("resize", "crop", "mean", "std")


def test_options_go_to_the_factory_whatever_they_are_called(nets):
    assert sightline.load(f"{nets}:Net", classes=5, width=2).model[4].weight.shape == (5, 2)
    assert sightline.load(f"{nets}:build", width=2).model[0].out_channels == 2
    assert load_with(f"{nets}:taught", None, None, {"weights": None}).model.said == (True, None)
    assert load_with(f"{nets}:taught", None, None, {"pretrained": 0}).model.said == (0, "w")
    assert sightline.load(f"{nets}:taught", pretrained=False).model.said == (False, "w")


def test_what_the_factory_imports_when_it_is_called_lies_beside_it(nets):
    assert type(sightline.load(f"{nets}:later").model) is nn.Flatten


def test_weights_of_a_local_file(nets, tmp_path):
    trained = sightline.load(f"{nets}:Net").model
    file = tmp_path / "mine.pth"
    torch.save({"model": {f"module.{k}": v for k, v in trained.state_dict().items()}}, file)
    model, card = sightline.load(f"{nets}:Net", weights=file)
    assert torch.equal(model[0].weight, trained[0].weight)
    assert card.source == f"{nets}:Net, local file mine.pth"
    with pytest.raises(ModelError, match=r"'mine.pth' does not fit Net: .*4.weight \(file 3x4, m"):
        sightline.load(f"{nets}:Net", weights=file, classes=2)
    with pytest.raises(ModelError, match="cannot be opened"):
        sightline.load(f"{nets}:Net", weights="nowhere.pth")


def test_a_card_that_the_factory_gave_is_kept(nets):
    model, card = sightline.load(f"{nets}:carded")
    assert (card.name, card.classes, card.preprocess.assumed) == ("pets", ("a", "b", "c"), ())
    assert card.source == f"{nets}:carded, weights as it gives them; by me"
    e = sightline.explain(model, (torch.rand(3, 40, 40) * 255).byte(), "b")
    assert not any("assumed" in note for note in e.provenance["notes"])


def test_what_was_assumed_is_in_the_notes_where_pictures_were_prepared(nets):
    model = sightline.load(f"{nets}:Net").model
    prepared = sightline.explain(model, (torch.rand(3, 40, 40) * 255).byte())
    ready = sightline.explain(model, torch.rand(1, 3, 40, 40))
    said = [n for n in prepared.provenance["notes"] if "assumed: short side to 256 pixels" in n]
    assert len(said) == 1
    assert not any("assumed" in note for note in ready.provenance["notes"])
    own = sightline.Preprocess(32, (32, 32))
    told = sightline.explain(model, (torch.rand(3, 40, 40) * 255).byte(), preprocess=own)
    assert not any("assumed" in note for note in told.provenance["notes"])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Net", {"widht": 3}, "has no option 'widht'. Near names: 'width'."),
        ("pair", {"width": 3}, "has no option 'width'. It has none; leave it out."),
        ("ready", {"width": 3}, "is a Net that is ready, and takes no options; got width"),
        ("needs", {}, "needs 'classes'. Give it as --model-option classes=..."),
        ("build", {"widht": 3}, "raised TypeError: .*unexpected keyword argument 'widht'"),
        ("raises", {}, r"raised KeyError: 'no such part' \(nets_of_own.py, line 20\)"),
        ("leaves", {}, "ended the program"),
        ("pair", {}, "it gave a tuple of Net, int. Let it return the model alone"),
        ("nothing", {}, "it gave an object of class NoneType"),
        ("Plain", {}, "it gave an object of class Plain"),
        ("number", {}, "it is a int. Name what makes the model"),
        ("Net", {"pretrained": True}, "the weights of .* it has no option 'pretrained'"),
        ("ready", {"pretrained": False}, "got random weights .--random, pretrained=False."),
    ],
)
def test_what_can_be_wrong_is_told_in_words(name, options, said, nets):
    with pytest.raises(ModelError, match=said):
        sightline.load(f"{nets}:{name}", **options)
