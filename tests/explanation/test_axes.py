"""Axes in another order: every method gives the map of the twin whose axes need not be turned."""

import numpy as np
import pytest
import torch

from helpers.axes_nets import ORDERS, pair
from sightline import BLACKBOX, METHODS, PIXELSPACE, evaluate, explain

OPTIONS = {"rise": {"masks": 20}, "lime": {"masks": 20}, "opti_cam": {"steps": 3}}
TWO_AXES_ONLY = {"lime"}


def options(method, x):
    return OPTIONS.get(method, {})


@pytest.mark.parametrize(
    "name", ["steps, leads", "height, width, colours", "frames, colours, height, width"]
)
@pytest.mark.parametrize("method", [*METHODS, *PIXELSPACE, *BLACKBOX])
def test_every_method(name, method):
    net, x, twin, turned = pair(name)
    layer = [{}, {}] if method not in METHODS else [{"layer": "net.0"}, {"layer": "0"}]
    try:
        want = explain(twin, turned, 1, method, **layer[1], **OPTIONS.get(method, {}))
    except Exception as error:  # what the twin's axes are too few or too many for
        with pytest.raises(type(error)):
            explain(net, x, 1, method, **layer[0], **OPTIONS.get(method, {}))
        return
    got = explain(net, x, 1, method, **layer[0], **OPTIONS.get(method, {}))
    torch.testing.assert_close(got.maps, want.maps, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(got.images, want.images)


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("method", ["grad_cam_pp", "gradient", "full_grad", "score_cam"])
def test_every_order(name, method):
    net, x, twin, turned = pair(name)
    got, want = explain(net, x, 1, method), explain(twin, turned, 1, method)
    assert got.layer in ("input", f"net.{want.layer}")
    torch.testing.assert_close(got.maps, want.maps, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("metrics", ["faithfulness", "curves", "road", "sensitivity"])
def test_what_is_measured(metrics):
    net, x, twin, turned = pair("height, width, colours")
    found = [
        evaluate(model, [(pictures, torch.tensor([0, 2]))], ["grad_cam", "gradient"], metrics)
        for model, pictures in ((net, x), (twin, turned))
    ]
    found = [one.rows.drop_columns(["source", "message", "layer"]) for one in found]
    for column in found[0].column_names:
        pairs = zip(*(one.column(column).to_pylist() for one in found), strict=True)
        for got, want in pairs:
            if isinstance(got, float) or (isinstance(got, list) and column != "tags"):
                both = [np.asarray(values, dtype=float) for values in (got, want)]
                np.testing.assert_allclose(*both, rtol=1e-6, atol=1e-9, err_msg=column)
            else:
                assert got == want, column
