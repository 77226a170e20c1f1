"""What a model is called with: nests of tensors, and the image among them."""

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.harness.arguments import (
    arguments,
    as_handed_in,
    channels_second,
    image_among,
    plain,
    replaced,
    takes_a_list,
)
from sightline.surgery.harness.model_io import mapped

X, Y = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 5)


class Own(Tensor):
    pass


class Batch(nn.Module):
    def forward(self, batch):
        return batch["image"]


class Named(nn.Module):
    def forward(self, image, mask=None):
        return image


class Open(nn.Module):
    def forward(self, **named):
        return named


@pytest.mark.parametrize(
    ("model", "inputs", "one"),
    [
        (Batch(), {"image": X, "label": 1}, True),
        (Batch(), {"batch": {"image": X}}, False),
        (Named(), {"image": X}, False),
        (Named(), {"image": X, "size": 3}, False),
        (Open(), {"image": X}, False),
        (None, {"image": X}, False),
    ],
)
def test_a_mapping_is_one_argument_where_the_model_knows_no_name_in_it(model, inputs, one):
    args, kwargs = arguments(inputs, model)
    assert (len(args), len(kwargs)) == ((1, 0) if one else (0, len(inputs)))


def test_the_image_is_found_in_lists_and_mappings():
    labels = torch.zeros(2, 4)
    assert image_among(([Y, X],), {}) is Y
    assert image_among(({"label": labels, "image": X},), {}) is X
    assert image_among((), {"views": (labels, [X])}) is X
    assert image_among((labels,), {}) is labels  # a waveform, where there is nothing else
    with pytest.raises(SurgeryError, match=r"found none among \[\(2,\)\]"):
        image_among((torch.rand(2),), {})


def test_tensors_of_a_class_of_their_own_become_plain_and_share_memory():
    own = X.as_subclass(Own)
    ((found, [inner]), _) = arguments((own, [own]))
    assert type(found) is type(inner) is Tensor
    assert found.data_ptr() == X.data_ptr()
    assert plain(weight := nn.Parameter(X)) is weight


def test_every_place_of_a_tensor_is_replaced_and_kinds_are_kept():
    args, kwargs = replaced(([X, (X, 1)],), {"a": {"b": Y}}, lambda one: one[:1])
    assert [type(args[0]), type(args[0][1]), args[0][1][1]] == [list, tuple, 1]
    assert args[0][1][0].shape[0] == kwargs["a"]["b"].shape[0] == 1


def test_a_mapping_of_its_own_class_stays_one():
    class Loaded(dict):
        scale = 2

    loaded = Loaded(image=X)
    loaded.scale = 3
    found = mapped(loaded, lambda one: one + 1)
    assert (type(found), found.scale) == (Loaded, 3)
    assert torch.equal(found["image"], X + 1)
    assert torch.equal(loaded["image"], X)


@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 8)), (1, (2, 3, 8)), (2, (2, 8, 3))])
def test_channels_come_second_and_go_back(axis, shape):
    image = torch.rand(shape)
    there = channels_second(image, axis)
    assert there.shape == (2, 1 if axis == 0 else 3, 8)
    assert torch.equal(as_handed_in(there, axis), image)
    led = torch.rand(5, *shape)
    assert torch.equal(channels_second(led, axis, 1)[3], channels_second(led[3], axis))


def test_a_list_is_taken_by_who_says_so():
    class Views(nn.Module):
        def forward(self, views: list[Tensor]) -> Tensor:
            return views[0]

    assert takes_a_list(Views())
    assert not takes_a_list(Batch())
