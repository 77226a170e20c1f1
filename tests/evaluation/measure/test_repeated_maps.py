"""Maps made again: seen through themselves, with noise, of a shuffled model."""

import torch

from helpers.closeness import assert_near
from helpers.measured_batch import STD, measured, net, say
from helpers.nets import photograph
from sightline import explain
from sightline.evaluation.measure import (
    ExplainedBatch,
    Measurements,
)


def test_the_map_of_the_image_seen_through_the_map(material):
    model, explained, m, classes = material
    for name in ("grad_cam_pp", "gradient"):
        again = explain(model, explained.seen_through(name), classes, name)
        assert_near(m.of(name)["masked_map"], again.maps, 1e-5)
        assert_near(m.of(name)["masked_score"], again.probabilities, 1e-5)


def test_one_look_tells_the_map_and_the_confidence(monkeypatch):
    explained, _ = measured()
    m = Measurements(explained, ["masked_score", "masked_map"])
    asked = []
    monkeypatch.setattr(
        ExplainedBatch,
        "confidences",
        lambda self, pictures: asked.append(len(list(pictures))) or [torch.zeros(3)],
    )
    m.of("grad_cam")["masked_score"]
    assert asked == [1, 1]  # the two controls; methods tell it with their maps


def test_what_hiding_a_patch_costs(material):
    model, explained, m, classes = material
    x = explained.labelled.inputs
    total, times = torch.zeros(3, 12, 10, dtype=torch.float64), torch.zeros(12, 10)
    for top in (0, 3, 6, 8):
        for left in (0, 3, 6):
            hidden = x.clone()
            hidden[:, :, top : top + 4, left : left + 4] = 0
            lost = (say(model, x, classes) - say(model, hidden, classes)).double()
            total[:, top : top + 4, left : left + 4] += lost.view(3, 1, 1)
            times[top : top + 4, left : left + 4] += 1
    assert_near(m.of("grad_cam")["occlusion_map"], total / times, 1e-4)


def test_noise_is_in_raw_pixels_and_belongs_to_the_image(material):
    model, explained, m, classes = material
    maps = m.of("grad_cam")["noisy_maps"]
    assert maps.shape == (3, 2, 12, 10)
    noise = explained.labelled.generators(0, "noise")[2]
    away = 0.1 * torch.stack([torch.randn(3, 12, 10, generator=noise) for _ in range(2)]) / STD
    for k in range(2):
        one = explain(
            model, explained.labelled.inputs[2:] + away[k : k + 1], classes[2:], "grad_cam"
        )
        assert_near(maps[2:, k], one.maps, 1e-4)


def test_randomised_maps_forget_and_the_model_does_not():
    model = net()
    before = photograph(model)
    explained, m = measured(model=model)
    maps = m.of("grad_cam_pp")["randomised_maps"]
    assert maps.shape == (3, 5, 12, 10)
    assert not torch.allclose(maps[:, 0], explained.maps["grad_cam_pp"])
    assert torch.equal(m.of("fake_cam")["randomised_maps"][:, 4], explained.maps["fake_cam"])
    after = photograph(model)
    assert all(torch.equal(before["values"][k], after["values"][k]) for k in before["values"])
