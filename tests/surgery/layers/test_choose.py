"""The layer nobody named: which it is, why, when it is looked for, and what is said where there is
none.
"""

import threading

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.errors import SurgeryError
from sightline.surgery import capture, choose
from sightline.surgery.layers.choose import layers


@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_last_feature_map_behind_its_relu(axes, head):
    choice = choose(convnet(axes, head=head), batch(axes))
    grid = {1: "24", 2: "12 x 10", 3: "6 x 8 x 7"}[axes]
    assert (choice.name, choice.reason) == (
        "5",
        f"the last feature map (8 channels, {grid} places)",
    )


def seq(*parts):
    torch.manual_seed(0)
    return nn.Sequential(*parts).eval()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_first_search_works_in_every_mode_and_dtype(mode, dtype):
    net, x = convnet(head="fc").to(dtype), batch().to(dtype)
    with mode():
        assert choose(net, x).name == "5"


def test_a_model_made_in_inference_mode_is_explained_as_any_other():
    plain = convnet()
    with torch.inference_mode():
        net = convnet()
        net.load_state_dict(plain.state_dict())
    assert choose(net, batch()) == choose(plain, batch())
    ours, theirs = (
        capture(one, batch(), "3").gradients(lambda out: out[:, 1])[0] for one in (net, plain)
    )
    assert torch.equal(ours, theirs)
    assert ours.any()


def test_a_model_made_in_inference_mode_cannot_be_trained_through_and_is_told_the_way_out():
    with torch.inference_mode():
        net = convnet()
    with pytest.raises(
        SurgeryError, match=r"tensors made under torch.inference_mode\(\).*load its weights outside"
    ):
        capture(net, batch(), "3", differentiable=True)


def runs_of(net):
    runs = []
    net.register_forward_hook(lambda *_: runs.append(1))
    return runs


def test_the_choice_is_remembered_for_a_model_and_an_input_shape():
    net = convnet()
    runs = runs_of(net)
    first = choose(net, batch())
    searched = len(runs)
    assert searched > 0
    assert choose(net, batch(seed=5)) is first
    assert choose(net, batch(b=1)) is first  # another number of images is the same shape
    assert len(runs) == searched
    choose(net, batch()[:, :, :8, :8])
    assert len(runs) > searched
    assert choose(convnet(), batch()) is not first


def test_a_model_whose_chosen_layer_is_gone_is_searched_again():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.stem, self.top, self.fc = (
                nn.Conv2d(3, 6, 3),
                nn.Sequential(nn.Conv2d(6, 6, 3), nn.ReLU()),
                nn.Linear(6, 2),
            )

        def forward(self, x):
            x = self.stem(x)
            return self.fc((self.top(x) if hasattr(self, "top") else x).mean((2, 3)))

    net = Net().eval()
    assert choose(net, batch()).name == "top"
    net.top = nn.Sequential(nn.Conv2d(6, 6, 3), nn.Tanh())
    assert choose(net, batch()).name == "top"
    del net.top
    assert choose(net, batch()).name == "stem"


def test_a_layer_put_behind_the_chosen_one_is_seen_though_the_model_is_known():
    pooled_head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    net = seq(*convnet()[:6], nn.Identity(), *pooled_head)
    assert choose(net, batch()).name == "5"
    net[6] = seq(nn.Conv2d(8, 8, 3), nn.ReLU())
    choice = choose(net, batch())
    assert (choice.name, choice.reason) == ("6", "the last feature map (8 channels, 10 x 8 places)")
    net[6] = seq(nn.Conv2d(8, 8, 5), nn.ReLU())
    assert choose(net, batch()).reason == "the last feature map (8 channels, 8 x 6 places)"


def test_a_layer_under_another_name_is_chosen_under_that():
    net = seq(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert choose(net, batch()).name == "1"
    net._modules = {f"part{name}": module for name, module in net._modules.items()}
    assert choose(net, batch()).name == "part1"


def test_a_model_that_makes_layers_without_weights_at_each_run_is_searched_once():
    class Anew(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.fc = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Linear(6, 2)

        def forward(self, x):
            self.act = nn.ReLU()
            return self.fc(self.act(self.conv(x)).mean((2, 3)))

    torch.manual_seed(0)
    net = Anew().eval()
    runs = runs_of(net)
    first = choose(net, batch())
    searched = len(runs)
    assert choose(net, batch()) is first
    assert len(runs) == searched > 0


def test_the_table_marks_the_chosen_row_with_its_reason():
    net, x = convnet(head="fc"), batch()
    before = photograph(net)
    rows = layers(net, x)
    assert_same(before, photograph(net))
    assert [(row.name, row.kind, row.channels, row.grid.size, row.stride) for row in rows] == [
        ("0", "Conv2d", 6, (12, 10), (1.0, 1.0)),
        ("1", "BatchNorm2d", 6, (12, 10), (1.0, 1.0)),
        ("2", "ReLU", 6, (12, 10), (1.0, 1.0)),
        ("3", "Conv2d", 8, (12, 10), (1.0, 1.0)),
        ("4", "BatchNorm2d", 8, (12, 10), (1.0, 1.0)),
        ("5", "ReLU", 8, (12, 10), (1.0, 1.0)),
        ("6", "MaxPool2d", 8, (6, 5), (2.0, 2.0)),
    ]
    assert [row.chosen for row in rows] == [""] * 5 + [
        "the last feature map (8 channels, 12 x 10 places)",
        "",
    ]
    assert [row.passes_on for row in rows] == [False] * 6 + [True]


def test_threads_choose_the_same():
    net, chosen = convnet(), []
    threads = [
        threading.Thread(target=lambda: chosen.append(choose(net, batch()).name)) for _ in range(4)
    ]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert chosen == ["5"] * 4
