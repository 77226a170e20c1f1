"""What an explanation holds with both axes: the same values, whether or not it shows both."""

from dataclasses import replace

import pytest
import torch

import sightline
from helpers.nets import batch, convnet
from sightline import explain
from sightline.explanation.result import PerTarget

TENSORS = ("maps", "coarse", "scores", "probabilities", "pixels")


@pytest.mark.parametrize("method", ["grad_cam_pp", "gradient"])
def test_one_target_is_the_column_of_several(method):
    net, x = convnet(), batch()
    one, several = explain(net, x, 3, method), explain(net, x, [3, 0], method)
    assert (one.several, several.several) == (False, True)
    a, b = one.per_target, several.per_target
    for name in TENSORS:
        if getattr(one, name) is None:
            assert getattr(a, name) is getattr(b, name) is None
            continue
        assert torch.equal(getattr(a, name)[:, 0], getattr(one, name)), name
        assert getattr(a, name).shape == getattr(b, name)[:, :1].shape, name
        assert torch.equal(getattr(b, name), getattr(several, name)), name
        assert torch.allclose(getattr(a, name)[:, 0], getattr(b, name)[:, 0], rtol=1e-5), name
    assert a.targets == [[target] for target in one.targets]
    assert a.status == [[status] for status in one.status]
    assert (b.targets, b.status) == (several.targets, several.status)


@pytest.mark.parametrize("target", [None, [1, 2]])
def test_fields_are_what_the_explanation_shows(target):
    e = explain(convnet(), batch(), target)
    fields = e.per_target.fields(e.several)
    for name in TENSORS:
        want = getattr(e, name)
        assert fields[name] is want is None or torch.equal(fields[name], want), name
    assert (fields["targets"], fields["status"]) == (e.targets, e.status)


def test_a_function_of_the_outputs_has_no_probabilities():
    held = explain(convnet(), batch(), lambda outputs: outputs[:, 0]).per_target
    assert held.probabilities is None
    assert held.fields(several=False)["probabilities"] is None


def test_tensors_are_views_and_fields_stay_replaceable():
    e = explain(convnet(), batch(), 1)
    assert e.per_target.maps.data_ptr() == e.maps.data_ptr()
    darker = replace(e, maps=e.maps / 2)
    assert torch.equal(darker.per_target.maps, e.per_target.maps / 2)
    again = sightline.Explanation(**vars(e))
    assert isinstance(again.per_target, PerTarget)
    assert torch.equal(again.maps, e.maps)
