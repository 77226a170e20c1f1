"""RISE is what its twin says, and in expectation what a linear model's weights say."""

import pytest
import torch
from torch import nn

from helpers.black_boxes import contributions, linear_model, made, scorer
from helpers.closeness import assert_near
from reference import rise as slow
from sightline import explain
from sightline.errors import MethodError
from sightline.methods.blackbox.rise import random_masks


@pytest.mark.parametrize(("size", "cells"), [([13], 4), ([12, 10], 3), ([3, 6, 5], 4)])
def test_the_masks_are_those_of_the_paper(size, cells):
    made_now = random_masks(6, cells, 0.4, size, torch.Generator().manual_seed(5))
    for mine, (shows, shifts) in zip(made_now, slow.drawn(6, cells, 0.4, size, 5), strict=True):
        assert_near(mine, slow.mask(shows, shifts, size), 1e-6)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("centred", [True, False])
def test_the_map_is_the_twins(axes, centred):
    net, x = made(axes, b=2)
    e = explain(net, x, 1, "rise", masks=20, cells=3, keep=0.3, seed=4, centred=centred, at_once=6)
    size = list(x.shape[2:])
    masks = random_masks(20, 3, 0.3, size, torch.Generator().manual_seed(4)).double()
    for i, one in enumerate(x):
        assert_near(e.coarse[i], slow.rise(scorer(net, 1), one, list(masks), 0.3, centred), 1e-9)


@pytest.mark.slow
def test_the_expectation_of_a_linear_model():
    """Not one map, but the mean of 40 of them, within five standard errors of what covariances say
    it is.
    """
    net, x = (
        linear_model(1, (8,)),
        torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(2)).double(),
    )
    found = torch.stack(
        [
            explain(net, x, 0, "rise", masks=200, cells=4, keep=0.6, seed=s, at_once=200).coarse[0]
            for s in range(40)
        ]
    )
    want = (
        slow.expected(contributions(net, x[0], 0), 4, 0.6) * 199 / 200
    )  # the mean is that of the sample
    errors = found.std(0) / 40**0.5
    assert bool(((found.mean(0) - want).abs() < 5 * errors).all())
    assert float(want.abs().max() / errors.max()) > 10, "the test can fail"


@pytest.mark.slow
def test_every_pixel_is_shown_as_often_as_every_other():
    masks = random_masks(4000, 3, 0.7, [10, 7], torch.Generator().manual_seed(0))
    error = masks.std(0) / 4000**0.5
    assert bool(((masks.mean(0) - 0.7).abs() < 5 * error).all())
    assert 0 <= float(masks.min()) <= float(masks.max()) <= 1


def test_seeds():
    net, x = made()
    maps = {seed: explain(net, x, 1, "rise", masks=10, seed=seed).coarse for seed in (0, 1)}
    assert torch.equal(maps[0], explain(net, x, 1, "rise", masks=10).coarse)
    assert not torch.allclose(maps[0], maps[1])


def test_how_many_go_at_once_changes_nothing_and_neither_does_the_batch():
    net, x = made(b=3)
    e = explain(net, x, 1, "rise", masks=20)
    for at_once in (1, 7, 100):
        assert_near(explain(net, x, 1, "rise", masks=20, at_once=at_once).coarse, e.coarse, 1e-9)
    assert_near(explain(net, x[1:2], 1, "rise", masks=20).coarse[0], e.coarse[1], 1e-9)


def test_a_constant_added_to_the_score_changes_nothing_where_scores_are_centred():
    net, x = made()

    def shifted(outputs):
        return outputs[:, 1] + 1000

    e = explain(net, x, 1, "rise", masks=30)
    assert_near(explain(net, x, shifted, "rise", masks=30).coarse, e.coarse, 1e-9)
    plain = explain(net, x, shifted, "rise", masks=30, centred=False).coarse
    assert float(plain.mean()) == pytest.approx(1000, rel=0.1)


def test_a_model_that_does_not_look_has_no_evidence():
    class Blind(nn.Module):
        def forward(self, x):
            return torch.tensor([[1.0, 2.0]]).expand(len(x), 2)

    e = explain(Blind(), torch.randn(2, 3, 8, 8), 1, ["rise", "occlusion"], masks=20)
    for one in e.values():
        assert not one.coarse.any()
        assert [status.word for status in one.status] == ["no positive evidence"] * 2


def test_the_papers_own_form():
    net, x = made(b=1)
    e = explain(net, x, 1, "rise", masks=12, cells=3, probability=True, centred=False)

    def sure(picture):
        with torch.no_grad():
            return float(net(picture[None]).softmax(1)[0, 1])

    masks = [
        slow.mask(shows, shifts, [12, 10]) for shows, shifts in slow.drawn(12, 3, 0.5, [12, 10], 0)
    ]
    assert_near(e.coarse[0], slow.rise(sure, x[0], masks, 0.5, False), 1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": 0}, "got masks=0"),
        ({"cells": 0}, "got cells=0"),
        ({"keep": 0}, "got keep=0"),
        ({"keep": 1.0}, "got keep=1.0"),
        ({"fill": "mean"}, "came fill='mean'"),
    ],
)
def test_what_makes_no_sense_is_said(options, message):
    net, x = made()
    with pytest.raises(MethodError, match=message):
        explain(net, x, 1, "rise", **options)


def test_a_function_of_the_outputs_has_no_probability():
    net, x = made()
    with pytest.raises(MethodError, match="no probability"):
        explain(net, x, lambda out: out[:, 0], "rise", masks=4, probability=True)
    assert explain(net, x, lambda out: out[:, 0], "rise", masks=4).coarse.isfinite().all()
