"""A segmentation network asked for a class, a name, or nothing."""

import pytest
import torch

from reference.scores import predicted, region
from sightline.errors import MethodError, TargetError
from sightline.targets import Region, Target, ask, ask_again
from sightline.targets.whole_picture import regions_meant, shares_of

NAMES = ["ground", "cat", "dog"]


def drawn():
    """Two images of 2 x 4 places: the first mostly a cat, the second all ground but for a dog."""
    answers = torch.tensor([[[0, 1, 1, 1], [1, 1, 2, 0]], [[0, 0, 0, 0], [0, 0, 0, 2]]])
    noise = torch.rand(2, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    return noise + 2 * torch.nn.functional.one_hot(answers, 3).movedim(3, 1)


def by_hand(maps, i, klass):
    one = maps[i].tolist()
    return pytest.approx(region(one, klass, predicted(one, klass), mean=True), abs=1e-6)


def test_nothing_named_is_each_image_s_commonest_class():
    question = ask(None, drawn(), classes=NAMES)
    assert question.targets == [[Target(1, "cat")], [Target(0, "ground")]]
    assert question.scores[0].tolist() == [by_hand(drawn(), 0, 1), by_hand(drawn(), 1, 0)]
    assert question.confidence is None
    assert not question.several
    (note,) = question.notes
    assert "cat (62% of the places); ground (88% of the places)" in note
    assert "there is also ground (25% of the places), dog (12% of the places)" in note
    assert "target=1 or Region(1) asks for another class" in note


@pytest.mark.parametrize("target", [0, "ground", "Ground", torch.tensor([0, 0])])
def test_a_class_is_its_region(target):
    question = ask(target, drawn(), classes=NAMES)
    assert torch.equal(question.scores[0], Region(0)(drawn()))
    assert question.targets == [[Target(0, "ground")]] * 2


def test_every_other_form():
    maps = drawn()
    both = ask([0, "dog"], maps, classes=NAMES)
    assert both.several
    assert torch.equal(both.scores, torch.stack([Region(0)(maps), Region(2)(maps)]))
    each = ask(torch.tensor([1, 2]), maps)
    assert each.scores[0].tolist() == [by_hand(maps, 0, 1), by_hand(maps, 1, 2)]
    assert ask("top2", maps).targets[1] == [Target(0, "class 0"), Target(2, "class 2")]
    assert ask("least", maps[:1]).targets == [[Target(2, "class 2")]]
    assert ask([["cat"], ["dog"]], maps, classes=NAMES).targets[1] == [Target(2, "dog")]


def test_one_channel_as_a_single_logit():
    one = torch.tensor([[[[2.0, -1.0, -3.0]]]])
    assert ask(1, one).scores.tolist() == [[2.0]]
    assert ask(0, one).scores.tolist() == [[2.0]]  # the mean of 1 and 3
    assert ask(None, one).targets == [[Target(0, "negative")]]
    assert ask(None, -one).targets == [[Target(1, "positive")]]
    assert ask("ill", one, classes=["healthy", "ill"]).targets == [[Target(1, "ill")]]
    with pytest.raises(TargetError, match="class from 0 to 1"):
        ask(2, one)


def test_what_cannot_be_meant_names_region():
    with pytest.raises(TargetError, match=r"no class 'dgo'.*sightline\.Region\(1\)"):
        ask("dgo", drawn(), classes=NAMES)
    with pytest.raises(TargetError, match=r"from 0 to 2 .*got 7.*Region\(1\)"):
        ask(7, drawn())
    with pytest.raises(TargetError, match=r"'cat'; image 1 has none, but ground \(88%\)"):
        ask("cat", drawn(), classes=NAMES)
    for features in (torch.randn(1, 512, 7, 7), 3 * torch.rand(1, 1, 32, 32) + 1):
        with pytest.raises(TargetError, match=r"sightline\.Region\(1\).*Similarity\(vector\)"):
            ask(1, features, size=(224, 224))


def test_other_pictures_are_asked_of_the_region_found_in_the_picture_itself():
    maps = drawn()
    changed = torch.cat([maps.flip(1), maps - 5])  # two versions of two images
    for target in (None, Region(torch.tensor([1, 0]))):
        found = ask_again(ask(target, maps), target, changed, 2)
        for v, version in enumerate((maps.flip(1), maps - 5)):
            for i, klass in enumerate((1, 0)):
                inside = predicted(maps[i].tolist(), klass)
                wanted = region(version[i].tolist(), klass, inside, mean=True)
                assert found[0, v, i].item() == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(MethodError, match="the target is a region of a segmentation"):
        ask_again(ask(None, maps), None, changed, 2, probability=True)


def test_a_batch_is_its_images_one_by_one():
    maps = drawn()
    alone = [ask(None, maps[i : i + 1]).scores[0] for i in range(2)]
    assert torch.equal(ask(None, maps).scores[0], torch.cat(alone))
    assert ask(None, maps, size=(4, 8)).scores.shape == (1, 2)


def test_shares_count_places():
    assert shares_of(drawn()).tolist() == [[0.25, 0.625, 0.125], [0.875, 0.0, 0.125]]
    assert regions_meant(None, drawn(), None, None).indices.tolist() == [[1], [0]]
