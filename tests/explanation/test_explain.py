"""The path from end to end: what comes unasked, by which names, at which cost."""

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.nets import batch, convnet, short
from sightline import METHODS, PIXELSPACE, explain
from sightline.errors import RequestError
from sightline.methods import grad_cam_pp
from sightline.supply import requests
from sightline.surgery import Trace, capture


def test_left_alone_it_explains_the_predicted_class_at_the_last_feature_map_by_grad_cam_pp():
    net, x = convnet(head="fc"), batch()
    e = explain(net, x)
    with torch.no_grad():
        logits = net(x)
    assert [target.index for target in e.targets] == logits.argmax(1).tolist()
    assert torch.equal(e.scores, logits.amax(1))
    torch.testing.assert_close(e.probabilities, logits.softmax(1).amax(1))
    assert (e.method, e.layer) == ("grad_cam_pp", "5")
    assert e.layer_reason == "the last feature map (8 channels, 12 x 10 places)"
    assert (e.maps.shape, e.coarse.shape, e.several) == ((3, 12, 10), (3, 12, 10), False)
    trace = capture(net, x, "5")
    (gradients,) = trace.gradients(trace.outputs.amax(1))
    weights = grad_cam_pp(trace.activations, gradients)
    assert_near(e.coarse, (weights * trace.activations).sum(1), 1e-6)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("grad_cam_pp", "grad_cam_pp"),
        ("gradcam++", "grad_cam_pp"),
        ("Grad-CAM++", "grad_cam_pp"),
        ("GradCAM", "grad_cam"),
        ("LayerCAM", "layer_cam"),
        ("XGrad-CAM", "xgrad_cam"),
        ("HiResCAM", "hires_cam"),
        ("CAM", "cam"),
        ("Saliency", "gradient"),
        ("guided backpropagation", "guided_backprop"),
        ("Guided Grad-CAM++", "guided_grad_cam_pp"),
        ("guided_gradcam", "guided_grad_cam"),
        ("Guided LayerCAM", "guided_layer_cam"),
    ],
)
def test_methods_answer_to_the_names_people_use(spelled, name):
    e = explain(convnet(), batch(), 1, spelled)
    assert e.method == name
    assert list(explain(convnet(), batch(), 1, [spelled])) == [name]


@pytest.mark.parametrize("name", [*METHODS, *[name for name in PIXELSPACE if name != "guided_cam"]])
def test_every_method_in_the_tables_runs(name):
    e = explain(convnet(), batch(), 1, name)
    assert (e.method, e.maps.shape) == (name, (3, 12, 10))
    assert torch.equal(e.maps.amax((1, 2)), torch.ones(3))


def test_options_reach_the_method():
    net, x = convnet(head="fc"), batch()
    trace = capture(net, x, "5")
    (gradients,) = trace.gradients(trace.outputs[:, 1])
    for alpha in ("paper", "authors"):
        weights = grad_cam_pp(trace.activations, gradients, alpha=alpha)
        e = explain(net, x, 1, alpha=alpha)
        assert_near(e.coarse, (weights * trace.activations).sum(1), 1e-5)
        assert e.variant["alpha"] == alpha
    paper, authors = explain(net, x, 1), explain(net, x, 1, alpha="authors")
    assert not torch.allclose(paper.coarse, authors.coarse, rtol=1e-2)


@pytest.mark.parametrize("score", ["exp", "softmax", "log_softmax", "sigmoid"])
def test_the_score_picks_the_form(score):
    net, x = convnet(head="fc"), batch()
    form = "grad_cam_pp" if score == "exp" else f"grad_cam_pp_{score}"
    for method in ("grad_cam_pp", "guided_grad_cam_pp", form):
        e = explain(net, x, 1, method, score=score)
        assert e.method == ("guided_" if method.startswith("guided") else "") + form
        assert torch.equal(e.maps, explain(net, x, 1, e.method).maps)


def test_an_option_goes_to_the_methods_that_know_it():
    net, x = convnet(head="fc"), batch()
    found = explain(net, x, 1, ["grad_cam", "grad_cam_pp"], score="softmax", alpha="authors")
    assert list(found) == ["grad_cam", "grad_cam_pp_softmax"]
    assert torch.equal(found["grad_cam"].maps, explain(net, x, 1, "grad_cam").maps)
    assert found["grad_cam_pp_softmax"].variant["alpha"] == "authors"
    assert "alpha" not in found["grad_cam"].variant


def test_the_caller_gets_a_dict_by_what_was_a_list():
    net, x = convnet(), batch()
    assert isinstance(explain(net, x, 1), sightline.Explanation)
    assert list(explain(net, x, 1, ["layer_cam", "grad_cam"])) == ["layer_cam", "grad_cam"]
    assert list(explain(net, x, 1, layer=["5", "2"])) == ["5", "2"]
    assert list(explain(net, x, 1, ["grad_cam"], ["2"])) == [("grad_cam", "2")]
    both = explain(net, x, 1, ["guided_grad_cam", "grad_cam_pp"], layer=["5", "2"])
    assert set(both) == {(m, s) for m in ("guided_grad_cam", "grad_cam_pp") for s in ("5", "2")}
    for (method, layer), e in both.items():
        assert (e.method, e.layer) == (method, layer)
        assert_near(e.maps, explain(net, x, 1, method, layer).maps, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrappers_are_taken_off(wrap):
    net, x = convnet(), batch()
    e = explain(wrap(net), x, 1)
    assert (e.layer, e.provenance["model"]["class"]) == ("5", "Sequential")
    assert torch.equal(e.maps, explain(net, x, 1).maps)


@pytest.fixture
def counted():
    """A network that counts its runs; what is found out at a first call was found out before."""
    net, runs = convnet(), []
    net.register_forward_hook(lambda *_: runs.append(1))
    explain(net, batch(), 1)  # the layer, and its place
    explain(net, batch(), 1, ["cam", "grad_cam_pp_softmax"])  # the head behind the layer
    explain(net, batch(), 1, "grad_cam", ["0", "2", "5"])  # the places of others
    del runs[:]
    return net, runs


ONE_RUN = [
    name
    for name in METHODS
    if {"look", "look_back", "noisy_gradients"}.isdisjoint(requests(METHODS[name]))
]
"""Methods that do not look at masked pictures."""


@pytest.mark.parametrize(
    ("asked", "forwards"),
    [
        ({}, 1),
        ({"target": "top5"}, 1),
        ({"target": [0, 1, 2, 3, 4]}, 1),
        ({"method": ONE_RUN, "target": [0, 1]}, 1),
        (
            {"method": "ablation_cam", "target": [0, 1]},
            1,
        ),  # behind a pooled linear head nothing runs again
        ({"layer": ["0", "2", "5"]}, 1),
        (
            {
                "layer": ["2", "5"],
                "method": ["grad_cam", "layer_cam"],
                "target": "top3",
                "counterfactual": True,
            },
            1,
        ),
        ({"method": "gradient"}, 1),
        ({"method": ["gradient", "guided_backprop", "deconvnet"], "target": "top3"}, 1),
        ({"method": "guided_grad_cam_pp"}, 2),
        (
            {
                "method": [*ONE_RUN, "gradient", "guided_grad_cam", "guided_layer_cam"],
                "target": "top3",
            },
            2,
        ),
    ],
    ids=short,
)
def test_everything_asked_at_once_shares_one_forward_and_pixels_take_one_more(
    counted, asked, forwards
):
    net, runs = counted
    explain(net, batch(), **asked)
    assert len(runs) == forwards


def test_only_the_very_first_call_searches():
    net, runs = convnet(), []
    net.register_forward_hook(lambda *_: runs.append(1))
    counts = []
    for x in (batch(), batch(), batch(b=1), batch(seed=9)):
        runs.clear()
        explain(net, x)
        counts.append(len(runs))
    assert counts[0] > 1
    assert counts[1:] == [1, 1, 1]


def test_a_method_that_asks_for_no_gradients_costs_none(monkeypatch):
    net, x, looked = convnet(), batch(), []
    want = explain(net, x, [1, 2], ["cam", "grad_cam"])["cam"]
    gradients = Trace.gradients
    monkeypatch.setattr(Trace, "gradients", lambda *args: looked.append(1) or gradients(*args))
    assert torch.equal(explain(net, x, [1, 2], "cam").maps, want.maps)
    assert looked == []
    explain(net, x, [1, 2], ["grad_cam", "layer_cam", "xgrad_cam"], layer=["2", "5"])
    assert looked == [1]  # one look back, for all methods, classes and layers


def test_a_guided_product_carries_its_cams_counts():
    found = explain(
        convnet(), batch(), [1, 0], ["grad_cam_pp", "guided_grad_cam_pp"], score="softmax"
    )
    plain, product = (
        [[status.counts for status in row] for row in one.status] for one in found.values()
    )
    assert plain == product
    assert any(counts["guarded"] for row in plain for counts in row)
    assert explain(convnet(), batch(), 1, "guided_grad_cam_pp").status[0].counts == {"clamped": 0}


def test_a_method_of_ones_own_can_be_added_and_a_typo_in_its_requests_is_told(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", lambda gradient: gradient)
    monkeypatch.setitem(METHODS, "yours", lambda gradients, *, power=1: gradients**power)
    with pytest.raises(RequestError, match=r"asks for 'gradient'. Did you mean 'gradients'"):
        explain(convnet(), batch(), 1, "mine")
    e = explain(convnet(), batch(), 1, "yours", power=2)
    trace = capture(convnet(), batch(), "5")
    (gradients,) = trace.gradients(trace.outputs[:, 1])
    assert_near(e.coarse, (gradients**2 * trace.activations).sum(1), 1e-6)


def test_a_guided_product_tells_what_its_map_tells():
    notes = explain(convnet(), batch(), [1, 2], "guided_eigen_cam").provenance["notes"]
    assert [note for note in notes if "class-agnostic" in note]
    assert [note for note in notes if "backward rule" in note]
