"""Occlusion is what its twin says, and on a linear model weight times pixel."""

import pytest
import torch

from helpers.black_boxes import contributions, linear_model, made, scorer
from helpers.closeness import assert_near
from helpers.nets import SHAPES, batch
from reference.occlusion import occlusion
from sightline import explain
from sightline.errors import MethodError
from sightline.explanation.passes.blackbox_pass import _blurred


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("window", "stride"), [(4, 3), (3, 3), (5, 1)])
def test_the_map_is_the_twins(axes, window, stride):
    net, x = made(axes, b=1 if axes == 3 else 2)
    stride = 4 if axes == 3 and stride == 1 else stride
    e = explain(net, x, 1, "occlusion", window=window, stride=stride)
    for i, one in enumerate(x):
        assert_near(
            e.coarse[i],
            occlusion(scorer(net, 1), one, torch.zeros_like(one), window, stride),
            1e-10,
        )


def test_a_blur_as_the_fill():
    net, x = made()
    e = explain(net, x, 1, "occlusion", window=4, stride=2, fill="blur")
    hidden = _blurred(x, "blur")
    for i, one in enumerate(x):
        assert_near(e.coarse[i], occlusion(scorer(net, 1), one, hidden[i], 4, 2), 1e-10)
    assert not torch.allclose(e.coarse, explain(net, x, 1, "occlusion", window=4, stride=2).coarse)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_on_a_linear_model_it_is_weight_times_pixel(axes):
    size = (9,) if axes == 1 else (4, 5) if axes == 2 else (2, 3, 4)
    net, x = linear_model(axes, size), torch.randn(2, 3, *size).double()
    e = explain(net, x, [0, 1], "occlusion", window=1)
    for i in range(2):
        for j in range(2):
            assert_near(e.coarse[i, j], contributions(net, x[i], j), 1e-9)
    whole = explain(net, x, 0, "occlusion", window=100)
    for i in range(2):  # a window over everything takes all but the constant
        want = contributions(net, x[i], 0).sum().expand(size)
        assert_near(whole.coarse[i], want, 1e-9)


def test_the_probability_of_the_class():
    net, x = made(b=1)
    e = explain(net, x, 1, "occlusion", window=4, stride=4, probability=True)
    with torch.no_grad():
        covered = x.clone()
        covered[:, :, :4, :4] = 0
        drop = net(x).softmax(1)[0, 1] - net(covered).softmax(1)[0, 1]
    assert_near(e.coarse[0, 0, 0], drop, 1e-10)
    against = explain(
        net, x, 1, "occlusion", window=4, stride=4, probability=True, counterfactual=True
    )
    assert_near(against.coarse, -e.coarse, 1e-10)


def test_the_window_is_a_seventh_of_the_longest_axis_and_steps_by_half():
    net, x = made()
    usual = explain(net, x, 1, "occlusion")
    assert torch.equal(usual.coarse, explain(net, x, 1, "occlusion", window=2, stride=1).coarse)
    assert SHAPES[2] == (3, 12, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "got window=0"),
        ({"window": -3}, "got window=-3"),
        ({"window": True}, "got window=True"),
        ({"stride": 0}, "got stride=0"),
        ({"window": 3, "stride": 4}, "some pixels would never be covered"),
        ({"at_once": 0}, "got at_once=0"),
        ({"fill": "grey"}, "came fill='grey'. On offer: 'zero', 'blur'"),
        ({"windw": 3}, "no option|has an option 'windw'. Near names: 'window'"),
    ],
)
def test_what_makes_no_sense_is_said(options, message):
    net, x = made()
    with pytest.raises(MethodError) as raised:
        explain(net, x, 1, "occlusion", **options)
    assert any(part in str(raised.value) for part in message.split("|"))


def test_a_signal_cannot_be_blurred():
    net, _ = made(1)
    with pytest.raises(MethodError, match="Take fill='zero'"):
        explain(net, batch(1).double(), 1, "occlusion", fill="blur")
