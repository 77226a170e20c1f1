"""Outputs that are quantities: nothing is predicted, nothing is sure."""

import numpy as np
import pytest
import torch

from sightline.errors import MethodError, TargetError
from sightline.targets import Region, Target, ask, ask_again
from sightline.targets.quantity import checked_quantities, quantities_meant

SINGLE = torch.tensor([[-2.0], [37.5]])
THREE = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


@pytest.mark.parametrize("target", [None, 0, "age", "predicted", [0], np.array([0, 0])])
def test_a_single_quantity_is_itself(target):
    question = ask(target, SINGLE, classes=["age"], kind="value")
    assert question.scores.tolist() == [[-2.0, 37.5]]  # no sign is turned
    assert question.targets == [[Target(0, "age")]] * 2
    assert question.confidence is None
    assert question.top == []
    assert question.quantity


def test_without_names_it_is_a_value():
    assert ask(None, SINGLE[:, 0], kind="value").targets[0] == [Target(0, "value")]
    assert ask(2, THREE, kind="value", classes=["a", "b"]).targets[0] == [Target(2, "value 2")]


def test_one_of_several():
    names = ["age", "height", "dose"]
    assert ask("dose", THREE, classes=names, kind="value").scores.tolist() == [[3.0, -6.0]]
    both = ask(["height", 0], THREE, classes=names, kind="value")
    assert both.scores.tolist() == [[-2.0, 5.0], [1.0, 4.0]]
    assert ask(torch.tensor([2, 1]), THREE, kind="value").scores.tolist() == [[3.0, 5.0]]
    assert ask("1", THREE, kind="value").targets[0] == [Target(1, "value 1")]


@pytest.mark.parametrize("target", [None, "predicted", "least", "top2", [0, None], [["top1"], [0]]])
def test_none_of_several_is_predicted(target):
    with pytest.raises(TargetError, match=r"one of the model's 3 quantities \(value 0.*Say which"):
        ask(target, THREE, kind="value")


@pytest.mark.parametrize("target", [3, -1, "height", torch.tensor([0.5, 1.0])])
def test_what_is_no_quantity_of_the_model_is_told_without_classes(target):
    with pytest.raises(TargetError, match=r"name among the model's quantities") as told:
        ask(target, THREE, kind="value")
    assert "class" not in str(told.value)


def test_maps_of_a_quantity_are_averaged_over_the_picture_or_a_place():
    depths = torch.arange(8.0).reshape(1, 1, 2, 4) - 6
    assert ask(None, depths, kind="value").scores.tolist() == [[-2.5]]
    question = ask(Region(0, where=(3, 0)), depths, kind="value")
    assert question.scores.tolist() == [[-3.0]]  # and not 3, as of the class 0
    assert question.targets == [[Target(None, "value 0 at pixel 3, 0")]]
    assert Region(0, where=(3, 0))(depths).tolist() == [3.0]
    assert Region(None, outputs="value")(depths).tolist() == [-2.5]
    with pytest.raises(TargetError, match="one of 2 quantities"):
        Region(None, outputs="value")(torch.zeros(1, 2, 3, 3))
    assert ask(1, torch.cat([depths, -depths], 1), kind="value").scores.tolist() == [[2.5]]


def test_changed_pictures_are_asked_the_same():
    first = ask(None, SINGLE, kind="value")
    assert ask_again(first, None, SINGLE + 1, 1, kind="value").tolist() == [[[-1.0, 38.5]]]
    with pytest.raises(MethodError, match="the target is a quantity, which has no probability"):
        ask_again(first, None, SINGLE, 1, kind="value", probability=True)


def test_names_are_as_many_as_quantities():
    assert checked_quantities(["a", "b", "c"], THREE) == ["a", "b", "c"]
    assert checked_quantities(["depth"], torch.zeros(1, 1, 4, 4)) == ["depth"]
    with pytest.raises(TargetError, match=r"Expected 3 names, one for each quantity.*got 2"):
        checked_quantities(["a", "b"], THREE)
    assert quantities_meant(0, THREE, None).names == ["value 0", "value 1", "value 2"]
