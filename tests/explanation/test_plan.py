"""What was asked for, by name, becomes steps with their options."""

import pytest

from sightline.errors import MethodError
from sightline.explanation.plan import steps
from sightline.methods import METHODS


def test_a_plain_name_is_planned_once():
    assert steps("grad_cam_pp", {})[0] is steps("grad_cam_pp", {})[0]


def test_unless_somebody_has_replaced_the_function(monkeypatch):
    def mine(gradients): ...

    before = steps("grad_cam", {})[0]
    monkeypatch.setitem(METHODS, "grad_cam", mine)
    assert steps("grad_cam", {})[0].method.function is mine
    monkeypatch.undo()
    assert steps("grad_cam", {})[0] is before


def test_each_kind_knows_whether_it_needs_a_layer():
    plan = steps(["grad_cam", "gradient", "guided_grad_cam", "rise"], {})
    assert [step.kind for step in plan] == ["cam", "pixel", "pixel", "black_box"]
    assert [step.cam and step.cam.name for step in plan] == ["grad_cam", None, "grad_cam", None]


def test_options_go_to_those_that_have_them_and_to_the_product_s_map():
    plan = steps(["grad_cam", "guided_grad_cam_pp", "rise"], {"alpha": "authors", "masks": 7})
    assert "alpha" not in plan[0].options
    assert plan[1].cam.options["alpha"] == "authors"
    assert plan[2].options["masks"] == 7


def test_the_score_picks_the_form_also_inside_a_product():
    (step,) = steps("guided_grad_cam_pp", {"score": "sigmoid"})
    assert step.name == "guided_grad_cam_pp_sigmoid"
    assert step.cam.name == "grad_cam_pp_sigmoid"


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (["grad_cam"], {"score": "softmax"}, "Only grad_cam_pp has forms of the score"),
        ([], {}, "Expected at least one method; got an empty list"),
        ("grad_cam_pp", {"alfa": 1}, "has an option 'alfa'. Near names: 'alpha'"),
        ("gradient", {"alpha": 1}, "They have none; leave it out."),
    ],
)
def test_what_makes_no_sense_is_said(method, options, message):
    with pytest.raises(MethodError) as raised:
        steps(method, options)
    assert message in str(raised.value)


def test_two_functions_of_one_name_cannot_be_told_apart():
    def one():
        def mine(gradients): ...

        return mine

    with pytest.raises(MethodError, match="two are called 'mine'"):
        steps([one(), one()], {})
