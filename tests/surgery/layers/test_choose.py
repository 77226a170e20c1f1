"""The layer nobody named: which it is, why, when it is looked for, and what is said where there is
none.
"""

import threading

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.errors import LayerError, SurgeryError
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


def test_pools_and_dropouts_pass_on_and_are_not_chosen():
    net = seq(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(),
        nn.Flatten(),
        nn.Linear(80, 2),
    )
    assert choose(net, batch()).name == "1"


class Normalised(nn.Module):
    """A norm by a function, and then nothing: as norms with an activation that is left out are
    written.
    """

    def __init__(self):
        super().__init__()
        self.drop, self.act = nn.Identity(), nn.Identity()

    def forward(self, x):
        return self.act(self.drop(nn.functional.instance_norm(x)))


def test_what_hands_on_what_no_module_returned_did_not_make_it():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        Normalised(),
        nn.Identity(),
        nn.Flatten(),
        nn.Linear(96, 2),
    )
    images = torch.rand(1, 3, 8, 8)
    assert choose(net, images).name == "3"
    (row,) = [row for row in layers(net, images) if "3" in row.names]
    assert (row.names, row.kind, row.passes_on) == (["3.drop", "3"], "Normalised", False)


def test_the_outermost_name_of_a_stage_is_used():
    net = seq(
        seq(nn.Conv2d(3, 4, 3), nn.ReLU()),
        seq(seq(nn.Conv2d(4, 6, 3), nn.ReLU()), nn.Identity()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 2),
    )
    assert choose(net, batch()).name == "1"
    assert layers(net, batch())[-2].names == [
        "1.0.1",
        "1.0",
        "1",
    ]  # not the identity in it, which made nothing


@pytest.mark.parametrize("relu", [True, False])
def test_maps_of_classes_are_the_head_and_not_explained(relu):
    """SqueezeNet: a 1 x 1 convolution to one map a class, a ReLU perhaps, and their mean."""
    tail = [nn.ReLU()] if relu else []
    net = seq(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 5, 1),
        *tail,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    assert choose(net, batch()).name == "1"


def test_a_network_as_wide_as_it_has_classes_keeps_its_last_features():
    net = seq(
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        nn.Conv2d(5, 5, 3),
        nn.ReLU(),
        nn.Conv2d(5, 5, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    assert choose(net, batch()).name == "3"


def test_features_as_many_as_classes_before_a_linear_head_stay():
    net = seq(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 5))
    assert choose(net, batch()).name == "1"


@pytest.mark.parametrize("head", [nn.Conv2d(8, 5, 1), nn.Sequential(nn.Conv2d(8, 5, 1), nn.ReLU())])
def test_outputs_that_depend_on_nothing_are_a_clear_error(head):
    net = seq(*convnet()[:6], head, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(-0.0)
    before = photograph(net)
    with pytest.raises(
        LayerError,
        match=r"to depend on a feature map; they do not on the last \d+ \(weights of zero",
    ):
        choose(net, batch())
    assert_same(before, photograph(net))


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


def test_a_network_without_feature_maps_is_a_clear_error():
    net = nn.Sequential(nn.Flatten(), nn.Linear(360, 5))
    with pytest.raises(
        LayerError, match=r"Sequential has no layer whose output has a grid.*layer='name', grid="
    ):
        choose(net, batch())


@pytest.mark.parametrize(
    ("size", "name", "small"),
    [
        ((32, 32), "5", False),
        ((16, 16), "3", False),
        ((8, 8), "1", False),
        ((4, 4), "1", True),
        ((2, 2), "5", True),
    ],
)
def test_tiny_inputs_take_an_earlier_stage_or_say_that_they_are_tiny(size, name, small):
    """Three stages of stride 2: at 32 pixels the last has 4 x 4 places."""
    net = seq(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    choice = choose(net, torch.randn(1, 3, *size))
    assert (choice.name, "so small" in choice.reason) == (name, small)


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


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_first_image_that_is_black_or_broken_does_not_decide_for_all(value):
    """A black picture leaves this network without a signal; the next one does not."""
    net = seq(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(288, 8),
        nn.ReLU(),
    )
    net.append(nn.Linear(8, 2))
    with torch.no_grad():
        net[0].bias.fill_(-0.05), net[2].bias.fill_(-0.02)
        assert not net[:4](torch.zeros(1, 3, 12, 10)).any()
    assert choose(net, torch.full((1, 3, 12, 10), value)).name == "3"


def test_weights_that_are_no_numbers_do_not_hide_the_layer():
    """What is wrong is then said by the result, with the parameter's name."""
    net = convnet(head="fc")
    with torch.no_grad():
        net[-1].weight.fill_(float("nan"))
    assert choose(net, batch()).name == "5"


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
