"""A cascade of shuffled copies: cumulative from the head on, values kept, the model untouched."""

import torch
from torch import nn

from helpers.nets import convnet
from sightline.surgery.harness.randomise import cascade


def sets(module):
    return {name: p.detach().flatten().sort().values for name, p in module.named_parameters()}


def test_from_the_head_on_cumulatively_and_only_the_order_of_values_changes():
    net = nn.Sequential(
        nn.Linear(9, 8),
        nn.ReLU(),
        nn.Linear(8, 7),
        nn.Linear(7, 6),
        nn.Linear(6, 5),
        nn.Linear(5, 4),
    )
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    changed = []
    for one in cascade(net, 3):
        changed.append(
            {
                name.split(".")[0]
                for name, p in one.named_parameters()
                if not torch.equal(p, before[name])
            }
        )
        for name, values in sets(one).items():
            assert torch.equal(values, before[name].flatten().sort().values)
    assert changed == [{"5"}, {"5", "4", "3"}, {"5", "4", "3", "2", "0"}]
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_the_seed_decides():
    net = convnet()
    one, same, other = (next(iter(cascade(net, 2, seed))) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(
        torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


def test_a_model_with_fewer_layers_has_fewer_stages():
    assert len(list(cascade(nn.Linear(2, 2), 5))) == 1
