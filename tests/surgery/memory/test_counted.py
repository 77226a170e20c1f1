"""Which buffers and settings of a module may say where something lies."""

import torch
from torch import nn

from sightline.surgery.memory.counted import counts, settings_of


class Own(nn.Module):
    pass


def test_tables_count_and_weights_do_not():
    whole, floats = torch.arange(3), torch.zeros(3)
    assert counts(Own(), "order", whole)
    assert counts(Own(), "grid", floats)
    assert counts(nn.Conv2d(1, 1, 1), "order", whole)
    assert not counts(nn.Conv2d(1, 1, 1), "weight_u", floats)
    for name in ("running_mean", "running_var", "num_batches_tracked", "weight", "bias"):
        assert not counts(Own(), name, floats)


def test_what_a_run_sets_itself_and_where_weights_came_from_is_no_setting():
    net = Own()
    net.mirror, net.default_cfg = True, {}
    assert settings_of(vars(net), Own) == {"mirror": True, "default_cfg": {}}
    assert settings_of({"default_cfg": {}, "depth": 3}, nn.ReLU) == {"depth": 3}
