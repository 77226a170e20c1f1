"""`factorise`: concepts that are there are found, what is left out is told."""

import builtins

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.nets import assert_same, batch, convnet, photograph
from reference.factorise import explained, optimality, rows
from sightline import factorise
from sightline.errors import MethodError

pytest.importorskip(
    "sklearn.decomposition", reason="needs scikit-learn: pip install 'sightline-cam[concepts]'"
)

H = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, 5.0, 0.0, 0.0]])  # two concepts of length 5


def planted(b=2, scale=(1.0, 2.0)):
    """Pictures whose four channels are two concepts: one left, a stronger one right."""
    w = torch.zeros(b, 2, 4, 6)
    w[:, 0, :, :3], w[:, 1, 1:3, 4:] = scale[0], scale[1]
    w[1:, 1] *= 0.5
    return torch.einsum("bkhw,kc->bchw", w, H), w


class Channels(nn.Module):
    """The picture is the feature map; the head is linear on its mean."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.ReLU(), nn.Linear(4, 3, bias=False)
        self.head.weight.data = torch.tensor([[1.0, 0, 1, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def test_planted_concepts_are_found_by_hand():
    x, w = planted()
    f = factorise(Channels(), x, 2, "features", classes=["left", "right", "none"])
    assert f.explained == pytest.approx(1, abs=1e-6)
    energy = (5 * w).square().sum((0, 2, 3))
    first = int(energy.argmax())
    assert_near(f.concepts, H[[first, 1 - first]] / 5, 1e-3)
    assert_near(f.coarse, 5 * w[:, [first, 1 - first]], 1e-3)
    assert [target.name for target in f.classes] == [
        ("left", "right")[first],
        ("right", "left")[first],
    ]
    assert_near(f.maps.amax((0, 2, 3)), torch.ones(2), 1e-5)
    assert (f.clipped, f.converged, f.layer, f.layer_reason) == (
        0,
        True,
        "features",
        "named by the caller",
    )


def test_a_class_loses_what_the_head_makes_of_the_concept():
    net, x = convnet(head="pool").double(), batch(b=3).double()
    f = factorise(net, x, 3, "5")
    head = net[-1].weight.detach()
    want = f.coarse.mean((0, 2, 3))[:, None] * (f.concepts @ head.T)
    assert_near(f.changes, want, 1e-9)
    assert [target.index for target in f.classes] == want.argmax(1).tolist()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_it_is_a_best_fit_and_the_share_is_the_twins(axes):
    net, x = convnet(axes, head="fc").double(), batch(axes, b=2).double()
    f = factorise(net, x, 3, "5")
    a = rows(sightline.capture(net, x, "5").activations)
    w = rows(f.coarse)
    assert bool((f.coarse >= 0).all())
    assert bool((f.concepts >= 0).all())
    assert_near(f.concepts.norm(dim=1), torch.ones(3), 1e-9)
    assert f.explained == pytest.approx(explained(a, w, f.concepts), abs=1e-9)
    assert optimality(a, w, f.concepts) < 0.02 * float((w.T @ a).abs().max())
    energy = w.square().sum(0)
    assert bool((energy[:-1] >= energy[1:]).all())
    assert f.maps.shape == (2, 3, *x.shape[2:])


def test_more_concepts_explain_more_and_the_same_call_gives_the_same():
    net, x = convnet(), batch()
    shares = [factorise(net, x, k, "5").explained for k in (1, 3, 6)]
    assert 0 < shares[0] < shares[1] < shares[2] <= 1
    assert torch.equal(factorise(net, x, 3, "5").coarse, factorise(net, x, 3, "5").coarse)


def test_negative_activations_are_clipped_counted_and_not_explained():
    net, x = convnet().double(), batch().double()
    f = factorise(net, x, 3, "4")  # before the ReLU
    a = rows(sightline.capture(net, x, "4").activations)
    assert f.clipped == int((a < 0).sum()) > 0
    assert f.explained == pytest.approx(explained(a, rows(f.coarse), f.concepts), abs=1e-9)
    assert f"{f.clipped} negative activations clipped" in repr(f)


def test_the_layer_is_found_and_the_model_left_as_it_was():
    net = convnet().train()
    before = photograph(net)
    f = factorise(net, batch(), 2)
    assert f.layer == "5"
    assert "last feature map" in f.layer_reason
    assert_same(before, photograph(net))


def test_outputs_that_are_no_logits_name_no_class():
    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convnet()

        def forward(self, x):
            return {"map": self.net[:6](x)}

    f = factorise(Maps(), batch(), 2, "net.5")
    assert (f.changes, f.classes) == (None, None)


def test_pictures_and_files(tmp_path):
    f = factorise(convnet(), batch(), 2, "5")
    paths = f.save(tmp_path / "out")
    assert [path.name for path in paths] == ["concepts.safetensors", "concepts.png"]
    assert all(path.stat().st_size > 500 for path in paths)
    assert f.sheet().height > 3 * 200
    clip = factorise(convnet(3), batch(3), 2, "5")
    assert [path.name for path in clip.save(tmp_path / "clip")] == ["concepts.safetensors"]
    with pytest.raises(MethodError, match=r"Take .maps and .coarse"):
        clip.sheet()


@pytest.mark.parametrize("concepts", [0, 9, -1])
def test_a_number_of_concepts_that_cannot_be(concepts):
    with pytest.raises(MethodError, match=r"Expected 1 to 8 concepts.*got concepts="):
        factorise(convnet(), batch(), concepts, "5")


def test_a_layer_without_activation_or_with_nan():
    with pytest.raises(MethodError, match=r"none is\. Take an earlier layer"):
        factorise(Channels(), -torch.ones(1, 4, 4, 6), 2, "features")
    with pytest.raises(MethodError, match="finite activations"):
        factorise(Channels(), torch.full((1, 4, 4, 6), torch.nan), 2, "features")


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    usual = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MethodError, match=r"pip install 'sightline-cam\[concepts\]'"):
        factorise(convnet(), batch(), 2)
