"""The search: what the network is shown, in which order its layers are tried, what ends it."""

import logging

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.errors import LayerError, SurgeryError, TargetError
from sightline.surgery import choose
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.search import search, with_noise


def seq(*parts):
    torch.manual_seed(0)
    return nn.Sequential(*parts).eval()


@pytest.mark.parametrize("head", [nn.Conv2d(8, 5, 1), nn.Sequential(nn.Conv2d(8, 5, 1), nn.ReLU())])
def test_outputs_that_depend_on_nothing_are_a_clear_error(head):
    net = seq(*convnet()[:6], head, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(-0.0)
    before = photograph(net)
    with pytest.raises(
        LayerError,
        match=r"to depend on a feature map; they do not on the last \d+: weights of zero",
    ):
        choose(net, batch())
    assert_same(before, photograph(net))


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


def seen_by(net):
    seen = []
    net.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    return seen


def test_a_plain_batch_is_one_image_of_noise_and_beside_others_all_are():
    image, mask = batch(), torch.ones(3)
    alone = with_noise(Given.of(nn.ReLU(), image))
    assert alone.shape == (1, 3, 12, 10)
    beside = with_noise(Given.of(nn.ReLU(), (image, mask)))
    assert beside.shape == image.shape
    assert beside.args[1] is mask
    assert not torch.equal(beside.image, image)


def test_a_score_that_noise_can_answer_is_asked_of_noise():
    net, x = convnet(head="fc"), batch()
    seen = seen_by(net)
    choice, general = search(Given.of(net, x), lambda outputs: outputs[:, 1])
    assert (choice.name, general) == ("5", True)
    assert {len(one) for one in seen} == {1}


@pytest.mark.parametrize(
    "score", [lambda out: out[2:, 1], lambda out: out[[2], 1]], ids=["no number", "an error"]
)
def test_a_score_that_noise_cannot_answer_is_asked_of_the_pictures(score, caplog):
    net, x = convnet(head="fc"), batch()
    seen = seen_by(net)

    def answer(outputs):
        found = score(outputs)
        return found if found.numel() else outputs.sum().unsqueeze(0) * torch.nan

    with caplog.at_level(logging.DEBUG, logger="sightline"):
        choice, general = search(Given.of(net, x), answer)
    assert (choice.name, general) == ("5", True)
    looked = [len(one) for one in seen]
    assert sorted(looked) == looked  # noise first
    assert {*looked} == {1, 3}
    assert torch.equal(seen[-1], x)


def test_a_score_that_depends_on_nothing_has_the_layer_of_the_outputs():
    choice, general = search(Given.of(convnet(), batch()), lambda out: out[:, 1].detach() * 2)
    assert (choice.name, general) == ("5", True)


class Detects(nn.Module):
    """As torchvision's detectors answer: a list of mappings, here with as many boxes as said."""

    def __init__(self, boxes):
        super().__init__()
        self.body, self.boxes = convnet()[:6], boxes

    def forward(self, x):
        scores = self.body(x).mean((2, 3))[:, : self.boxes]
        return [{"boxes": torch.zeros(len(row), 4), "scores": row} for row in scores]


def test_detections_are_looked_for_on_the_pictures_and_the_choice_is_for_these_only():
    net = Detects(2)
    seen = seen_by(net)
    choice, general = search(Given.of(net, batch(b=1)), lambda out: out[0]["scores"][:1])
    assert (choice.name, general) == ("body", False)
    assert torch.equal(seen[-1], batch(b=1))


def test_where_nothing_was_detected_the_target_says_so():
    class Found(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = convnet()[:6]

        def forward(self, x):
            return {"scores": self.body(x).mean((2, 3))[:, :0]}

    def score(outputs):
        if not outputs["scores"].numel():
            raise TargetError("Expected a box; none was found.")
        return outputs["scores"][:, 0]

    with pytest.raises(TargetError, match="none was found"):
        search(Given.of(Found().eval(), batch()), score)


def test_a_layer_where_no_graph_can_be_recorded_is_passed_over_for_one_where_it_can():
    class Sealed(nn.Module):
        def __init__(self, sealed):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3)
            self.fc, self.sealed = nn.Linear(6, 2), sealed

        def forward(self, x):
            x = self.first(x)
            if not self.sealed:
                return self.fc(self.second(x).mean((2, 3)))
            with torch.inference_mode():
                self.second(x)
                return self.fc(self.second(x).mean((2, 3)))

    assert search(Given.of(Sealed(False).eval(), batch()), None)[0].name == "second"
    with pytest.raises(SurgeryError, match=r"runs inside its own torch\.inference_mode\(\)"):
        search(Given.of(Sealed(True).eval(), batch()), None)
