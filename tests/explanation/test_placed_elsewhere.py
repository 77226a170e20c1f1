"""Concepts and explainers have no status: what lies elsewhere is read rightly or refused."""

import pytest
import torch

from helpers.placed_nets import Placed, cropped, mirrored
from sightline import explain, exportable, factorise
from sightline.errors import LayerError

X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def explained(net, **options):
    explainer = exportable(net, images=X, target=1, coarse=True, **options)
    return explainer(X)[2]


def test_an_explainer_has_the_map_that_explain_has():
    for way in (lambda net, x: x, mirrored):
        net = Placed(way).eval()
        torch.testing.assert_close(explained(net), explain(net, X, 1).coarse)
    apart = explained(net, place="unchecked")
    torch.testing.assert_close(apart, explain(net, X, 1, place="unchecked").coarse)
    assert not torch.allclose(apart, explained(net))


def test_concepts_lie_where_the_pictures_have_them():
    straight, turned = Placed().eval(), Placed(mirrored).eval()
    found = factorise(turned, X.flip(3), 2)
    want = factorise(straight, X, 2)
    torch.testing.assert_close(found.coarse, want.coarse.flip(-1), rtol=1e-4, atol=1e-5)
    as_it_is = factorise(turned, X.flip(3), 2, place="unchecked")
    torch.testing.assert_close(as_it_is.coarse, want.coarse, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda net, **o: factorise(net, X, 2, **o), explained])
@pytest.mark.parametrize("layer", [None, "act"])
def test_what_cannot_be_put_right_is_refused(make, layer):
    net = Placed(cropped).eval()
    with pytest.raises(LayerError, match=r"those of '\w+' do not: the grid lies 7\.6 places away"):
        make(net, layer=layer)
    make(net, layer=layer, place="unchecked")
    with pytest.raises(LayerError, match="mirrored along the width"):
        make(Placed(mirrored).eval(), layer="act", grid=(16, 16))
