"""One record for methods of every kind, from one look-up."""

import pytest

from sightline.errors import MethodError
from sightline.methods import EXACT, METHODS, Method, find_method
from sightline.methods.blackbox import BLACKBOX
from sightline.methods.pixel import PIXELSPACE
from sightline.supply import requests


@pytest.mark.parametrize(
    ("kind", "functions"), [("cam", METHODS), ("pixel", PIXELSPACE), ("black_box", BLACKBOX)]
)
def test_every_listed_method_is_found_with_its_kind(kind, functions):
    for name, function in functions.items():
        if name == "guided_cam":  # by itself: the product with CAM
            continue
        found = find_method(name)
        assert (found.name, found.kind, found.function) == (name, kind, function)
        assert found.requests == requests(function)
        assert found.cam is None
        assert not {"tally", "note"} & set(found.options)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("saliency", None),
        ("Guided Backpropagation", "guided"),
        ("deconvnet", "deconvnet"),
        ("guided_layer_cam", "guided"),
        ("full_grad", None),
        ("grad_cam", None),
    ],
)
def test_the_backward_rule_is_the_method_s_own(name, rule):
    assert find_method(name).rule == rule


def test_a_guided_product_has_its_map_and_the_map_s_options():
    found = find_method("Guided Grad-CAM++")
    assert (found.name, found.kind) == ("guided_grad_cam_pp", "pixel")
    assert found.cam == find_method("grad_cam_pp")
    assert found.options == found.cam.options
    assert found.options["alpha"] == "paper"
    assert find_method("guided_cam").cam == find_method("cam")


def test_the_form_of_the_score_and_the_exact_alpha_are_grad_cam_pp_s():
    softmax = find_method("grad_cam_pp", score="softmax")
    assert softmax == Method("grad_cam_pp_softmax", "cam", METHODS["grad_cam_pp_softmax"])
    assert find_method("layer_cam", score="softmax") == find_method("layer_cam")
    exact = find_method("guided_grad_cam_pp", exact=True)
    assert exact.cam.function is EXACT["grad_cam_pp"]
    assert find_method("layer_cam", exact=True) == find_method("layer_cam")


def test_a_function_of_one_s_own_is_what_it_asks_for():
    def mine(gradients, *, power=2): ...
    def outside(shown, scores): ...

    assert find_method(mine) == Method("mine", "cam", mine)
    assert find_method(mine).options == {"power": 2}
    assert find_method(outside).kind == "black_box"


def test_what_somebody_added_is_found(monkeypatch):
    def mine(gradients): ...

    monkeypatch.setitem(METHODS, "mine", mine)
    assert find_method("Mine").function is mine
    assert find_method("guided mine").name == "guided_mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grad_camm", "There is no method 'grad_camm'. Near names: 'grad_cam'"),
        ("ris", "Near names: 'rise'"),
        ("guided zebra", "There is no method 'guided zebra'. On offer: 'cam'"),
        ("guided_rise", "Expected guided_ before the name of a map of a layer; rise is none."),
        ("guided_gradient", "or gradient by itself"),
    ],
)
def test_an_unknown_name_is_told_what_there_is(name, message):
    with pytest.raises(MethodError) as raised:
        find_method(name)
    assert message in str(raised.value)
