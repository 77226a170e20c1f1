"""The truth about a batch: what is there, what is not, and what nobody looked for."""

import torch

from sightline.evaluation.measure import LabelledBatch


def shown(items=(4, 9)):
    return LabelledBatch(
        torch.zeros(2, 3, 4, 4),
        list(items),
        [1, None],
        boxes=[{1: torch.tensor([[0.0, 0, 2, 2]])}, {}],
        masks=[{}, {}],
        annotated=[True, False],
    )


def test_not_there_is_not_the_same_as_not_looked_for():
    one = shown()
    assert one.boxes_of(0, 1).tolist() == [[0, 0, 2, 2]]
    assert one.boxes_of(0, 2).shape == (0, 4)
    assert one.boxes_of(1, 2) is None
    assert one.boxes_of(0, None) is None
    assert one.mask_of(0, 1) is None


def test_random_numbers_belong_to_the_image_and_the_purpose():
    def first(shown, purpose, seed=0):
        return [torch.rand(1, generator=g).item() for g in shown.generators(seed, purpose)]

    one = first(shown(), "noise")
    assert first(shown((9, 4)), "noise") == one[::-1]
    assert one[0] != one[1]
    assert first(shown(), "random") != one
    assert first(shown(), "noise", seed=1) != one
