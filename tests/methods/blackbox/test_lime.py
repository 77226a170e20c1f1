"""LIME-style maps are what their twin says; on a linear model, what the segments contribute."""

import builtins
import re

import pytest
import torch

from helpers.black_boxes import contributions, linear_model, made, scorer
from helpers.closeness import assert_near
from reference.lime import lime
from sightline import explain
from sightline.errors import MethodError
from sightline.methods.blackbox.lime import _random_switches
from sightline.methods.blackbox.segments import grid, segmented

WHOLE = re.compile(
    r"^coefficient of determination of a linear fit to (\d+) ([\w ()]+): (\S+) \((.+), (.+)\)$"
)


def notes(e):
    found = map(WHOLE.match, e.provenance["notes"])
    return [one.groups() for one in found if one is not None]


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_the_map_and_the_fit_are_the_twins(axes, ridge):
    net, x = made(axes)
    options = {
        "samples": 60,
        "cells": 2,
        "seed": 3,
        "ridge": ridge,
        "kernel": 0.4,
        "segments": "grid",
    }
    e = explain(net, x, 1, "lime", **options)
    segments = grid(x.shape[2:], 2)
    z = _random_switches(60, int(segments.max()) + 1, 3)
    for i, one in enumerate(x):
        worth, fit = lime(scorer(net, 1), one, torch.zeros_like(one), segments, z, 0.4, ridge)
        assert_near(e.coarse[i], worth, 1e-8)
        assert float(notes(e)[i][2]) == pytest.approx(fit, abs=6e-4)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_on_a_linear_model_the_coefficients_are_the_contributions(axes):
    size = (9,) if axes == 1 else (4, 5) if axes == 2 else (2, 3, 4)
    net, x = linear_model(axes, size), torch.randn(2, 3, *size).double()
    e = explain(net, x, [0, 1], "lime", samples=100, cells=2, segments="grid", ridge=0)
    segments = grid(size, 2)
    for i in range(2):
        for j in range(2):
            pixel = contributions(net, x[i], j)
            want = torch.stack(
                [pixel[segments == k].sum() for k in range(int(segments.max()) + 1)]
            )[segments]
            assert_near(e.coarse[i, j], want, 1e-8)
    assert [row[2] for row in notes(e)] == ["1.000"] * 4
    assert [row[3:] for row in notes(e)] == [
        ("image 0", "class 0"),
        ("image 1", "class 0"),
        ("image 0", "class 1"),
        ("image 1", "class 1"),
    ]


def test_a_ridge_makes_the_coefficients_smaller():
    net, x = linear_model(2, (6, 6)), torch.randn(1, 3, 6, 6).double()
    sizes = [
        float(
            explain(net, x, 0, "lime", samples=80, cells=2, ridge=r, segments="grid").coarse.norm()
        )
        for r in (0, 1, 100)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_a_superpixel_has_one_value():
    pytest.importorskip(
        "skimage.segmentation", reason="needs scikit-image: pip install 'sightline-cam[demo]'"
    )
    net, x = made()
    e = explain(net, x, 1, "lime", samples=80, cells=3)
    for i, one in enumerate(segmented(e.images, [12, 10], 3, None)[0].expand(len(x), -1, -1)):
        for k in range(int(one.max()) + 1):
            assert len(e.coarse[i][one == k].unique()) == 1


def test_without_scikit_image_there_is_a_grid_and_superpixels_say_what_to_install(monkeypatch):
    usual = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("skimage"):
            raise ImportError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    net, x = made()
    assert {row[1] for row in notes(explain(net, x, 1, "lime", samples=80, cells=3))} == {
        "cells of a grid"
    }
    with pytest.raises(MethodError, match=r"pip install 'sightline-cam\[demo\]'"):
        explain(net, x, 1, "lime", segments="slic")


def test_seeds_and_batches():
    net, x = made(b=3)
    options = {"samples": 60, "cells": 3}
    e = explain(net, x, 1, "lime", **options)
    assert torch.equal(e.coarse, explain(net, x, 1, "lime", **options).coarse)
    assert not torch.allclose(e.coarse, explain(net, x, 1, "lime", seed=1, **options).coarse)
    assert_near(explain(net, x[2:], 1, "lime", at_once=5, **options).coarse[0], e.coarse[2], 1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "got samples=0"),
        ({"samples": 40}, "more samples than segments"),
        ({"kernel": 0}, "a kernel above 0; got 0"),
        ({"ridge": -1}, "a ridge of at least 0; got -1"),
        ({"segments": "slick"}, "Near names: 'slic'"),
    ],
)
def test_what_makes_no_sense_is_said(options, message):
    net, x = made()
    with pytest.raises(MethodError, match=message):
        explain(net, x, 1, "lime", **{"segments": "grid", **options})


def test_a_signal_has_no_superpixels():
    net, x = made(1)
    with pytest.raises(MethodError, match="Take segments='grid'"):
        explain(net, x, 1, "lime", segments="slic")
