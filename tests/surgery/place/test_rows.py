"""Models that change the order of their batch, and put the outputs back."""

import pytest
import torch

from helpers.nets import Notes
from helpers.placed_nets import Placed
from sightline import explain
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.rows import own_rows

X = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Ordered(Placed):
    """Brings the pictures into an order before its layers see them."""

    def __init__(self, order):
        super().__init__()
        self.order, self.asked = order, Notes()

    def forward(self, x):
        self.asked.append(len(x))
        order = self.order(x)
        return super().forward(x[order])[order.argsort()]


def by_mean(x):
    return x.mean((1, 2, 3)).argsort()


def backwards(x):
    return torch.arange(len(x)).flip(0)


ORDERS = {
    "up": by_mean,
    "down": lambda x: by_mean(-x),
    "by the largest": lambda x: x.amax((1, 2, 3)).argsort(),
    "backwards": backwards,
    "one on": lambda x: torch.arange(len(x)).roll(1),
}


def asked(net, x=X):
    return own_rows(Given.of(net, x), LayerRun("act"))


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_of_its_own(name):
    assert not asked(Ordered(ORDERS[name]))
    assert asked(Ordered(ORDERS[name]), X[:1])


@pytest.mark.parametrize("order", [lambda x: torch.arange(len(x)), lambda x: by_mean(x).sort()[0]])
def test_the_order_of_the_batch(order):
    assert asked(Ordered(order))


def test_what_mixes_its_pictures_is_not_judged():
    assert asked(Placed(lambda _, x: x - x.mean(0)))
    assert asked(Placed(lambda _, x: x.flip(0) + x))


def test_what_cannot_be_run_on_three_pictures_is_not_judged():
    def two(net, x):
        assert len(x) == 2
        return x.flip(0)

    assert asked(Placed(two), X[:2])


def test_the_map_of_another_picture_is_never_ok():
    net = Ordered(backwards)
    together = explain(net, X[:2], 0)
    alone = [explain(net, one.unsqueeze(0), 0) for one in X[:2]]
    assert [one.word for one in together.status] == ["place not confirmed"] * 2
    assert "its rows belong to other pictures of the batch" in together.status[0].message
    assert [one.status[0].word for one in alone] == ["ok", "ok"]
    for k in range(2):
        torch.testing.assert_close(together.coarse[k], alone[1 - k].coarse[0])  # as was said
    assert explain(net, X[:2], 0, place="unchecked").status[0].word == "ok"


def test_it_is_asked_once():
    net = Ordered(lambda x: torch.arange(len(x)))
    explain(net, X, 0)
    assert net.asked.count(3) == 2
    del net.asked[:]
    for batch in (X[:2], X, X[:, :, :, 4:]):
        assert {one.word for one in explain(net, batch, 0).status} == {"ok"}
    assert 3 not in net.asked
