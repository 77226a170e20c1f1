"""A score taken apart: the products add up to it, and those with a grid are kept for the map."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.jobs import job_of
from helpers.nets import batch, convnet
from sightline import explain
from sightline.explanation.passes.bias_pass import _products, bias_products
from sightline.surgery import capture_pixels
from sightline.surgery.backward.biases import Biases


@pytest.mark.parametrize("head", ["pool", "fc"])
def test_the_products_add_up_and_those_without_a_grid_are_left_out(head):
    net, x = convnet(head=head), batch()
    job = job_of(net, x, 1)
    with Biases() as biases:
        trace = capture_pixels(net, x)
    scores = job.ask(trace.outputs).scores[0]
    each = list(bias_products(trace, scores, biases.terms))
    scores = scores.detach()
    assert_near(sum(one.reshape(3, -1).sum(1) for one in each), scores, 1e-5)
    products, missed = _products(job, scores, iter(each))
    assert missed < 1e-5
    assert torch.equal(products[0], each[0]), "the image's own"
    assert len(products) == 1 + sum(one.ndim > 2 for one in each[1:])
    _, half = _products(job, scores, iter(each[:1]))
    rest = (scores - each[0].sum((1, 2, 3))).abs() / scores.abs()
    assert half == pytest.approx(float(rest.max()), rel=1e-4)


def test_for_and_against_are_the_same_picture_and_that_is_told():
    net, x = convnet(), batch()
    plain, against = (explain(net, x, 1, "full_grad", counterfactual=c) for c in (False, True))
    assert torch.equal(plain.maps, against.maps)
    assert any("sizes and not directions" in note for note in against.provenance["notes"])
    assert plain.provenance["notes"] == []
