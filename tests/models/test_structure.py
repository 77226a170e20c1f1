"""Finding the wrapper, the head and a place counted from the end."""

import torch
from torch import nn

from sightline.models.structure import head, module_name, unwrap, width


class Net(nn.Module):
    def __init__(self, **children: nn.Module):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


def test_wrappers_are_looked_through_however_deep():
    inner = nn.Linear(2, 3)
    assert unwrap(nn.DataParallel(nn.DataParallel(inner))) is inner
    assert unwrap(torch.compile(inner)) is inner
    assert (
        unwrap(torch.optim.swa_utils.AveragedModel(inner)) is not inner
    )  # it holds a copy of the model ...
    assert isinstance(
        unwrap(torch.optim.swa_utils.AveragedModel(inner)), nn.Linear
    )  # ... and is looked through


def test_a_part_that_happens_to_be_called_module_is_no_wrapping():
    beside = Net(module=nn.Linear(2, 3), head=nn.Linear(3, 1))
    only = Net(model=nn.Linear(2, 3))
    assert unwrap(beside) is beside
    assert unwrap(only) is only


def test_head_is_the_last_layer_with_weights_however_deep():
    found = head(
        Net(
            first=nn.Linear(1, 2),
            last=nn.Sequential(nn.Conv2d(2, 7, 1), nn.ReLU()),
            drop=nn.Dropout(),
        )
    )
    assert found is not None
    assert found[0] == "last.0"
    assert width(found[1]) == 7
    assert head(nn.ReLU()) is None


def test_place():
    model = Net(
        features=nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(2)), fc=nn.Linear(1, 1)
    )
    assert module_name(model, "fc") == "fc"
    assert module_name(model, "features.-1") == "features.2"
    assert module_name(model, "-2.-3") == "features.0"
    assert module_name(model, "features.-4") is None
    assert module_name(model, "trunk") is None
    assert module_name(model, "fc.-1") is None
