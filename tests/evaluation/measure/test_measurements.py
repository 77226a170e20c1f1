"""Every measurement against the same thing done plainly: one image, one method, one forward pass at
a time.
"""

import pytest
import torch

import sightline
from helpers.closeness import assert_near
from helpers.nets import convnet, photograph
from sightline import Card, Preprocess, describe, explain
from sightline.errors import MethodError
from sightline.evaluation.measure import (
    COLUMNS,
    RECORDED,
    WORDS,
    ExplainedBatch,
    LabelledBatch,
    Measurements,
)
from sightline.maps import blur
from sightline.protocol import Protocol

PROTOCOL = Protocol(
    steps=5,
    thetas=4,
    patch=4,
    stride=3,
    samples=2,
    road_percentages=(20, 60),
    noise=0.1,
    deletion_fill="black",
    blur=(3, 1),
)
STATISTICS = Preprocess(resize=None, crop=None, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
METHODS, CONTROLS = ["grad_cam", "grad_cam_pp", "gradient"], ["fake_cam", "edge"]
MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in (STATISTICS.mean, STATISTICS.std))
BLACK = -MEAN / STD


def net(classes=7):
    model = convnet(classes=classes)
    describe(model, Card("test", None, STATISTICS, None, "a test"))
    return model


def labelled(b=3):
    torch.manual_seed(4)
    images = (torch.rand(b, 3, 12, 10) - MEAN) / STD
    return LabelledBatch(
        images, [7 + i for i in range(b)], [2, None, 5][:b], [{}] * b, [{}] * b, [True] * b
    )


def measured(protocol=PROTOCOL, model=None, batch=None, **options):
    explained = ExplainedBatch(
        model or net(),
        batch or labelled(),
        METHODS,
        protocol,
        controls=CONTROLS,
        columns=set(COLUMNS.values()),
        outputs=7,
        **options,
    )
    return explained, Measurements(explained)


def say(model, images, classes):
    return model(images).softmax(1).gather(1, classes.unsqueeze(1)).squeeze(1).detach()


@pytest.fixture(scope="module")
def material():
    model = net()
    explained, measurements = measured(model=model)
    return model, explained, measurements, explained.classes


def test_the_whole_image_and_what_is_seen_through_each_map(material):
    model, explained, m, classes = material
    x = explained.labelled.inputs
    for name in (*METHODS, *CONTROLS):
        assert_near(m.of(name)["full_score"], say(model, x, classes), 1e-5)
        seen = x * explained.maps[name].unsqueeze(1) + BLACK * (
            1 - explained.maps[name].unsqueeze(1)
        )
        assert_near(m.of(name)["masked_score"], say(model, seen, classes), 1e-5)
    assert torch.equal(classes, model(x).argmax(1))
    assert_near(m.of("grad_cam")["image_map"], explain(model, x, method="grad_cam").maps, 1e-5)


def test_curves_take_pixels_away_and_put_them_in(material):
    model, explained, m, classes = material
    x = explained.labelled.inputs
    ends = {"deletion_curve": (x, BLACK.expand_as(x)), "insertion_curve": (blur(x, 3, 1.0), x)}
    for word, (start, end) in ends.items():
        for name in ("grad_cam_pp", "edge"):
            curve = m.of(name)[word]
            assert curve.shape == (3, 6)
            for i in range(3):
                order = explained.maps[name][i].flatten().argsort(descending=True, stable=True)
                for k in range(6):
                    picture = start[i].clone().flatten(1)
                    some = order[: round(k * 120 / 5)]
                    picture[:, some] = end[i].flatten(1)[:, some]
                    assert_near(
                        curve[i, k : k + 1],
                        say(model, picture.view(1, 3, 12, 10), classes[i : i + 1]),
                        1e-5,
                    )


def test_occlusion_by_the_map_s_own_quantiles(material):
    model, explained, m, classes = material
    for name in ("grad_cam", "fake_cam"):
        curve, hidden = m.of(name)["occluded_curve"], m.of(name)["occluded_fraction"]
        assert curve.shape == hidden.shape == (3, 5)
        for i in range(3):
            values = explained.maps[name][i].double()
            for k in range(4):
                kept = values >= torch.quantile(values, k / 3, interpolation="higher")
                picture = torch.where(kept, explained.labelled.inputs[i], BLACK)
                assert_near(curve[i, k : k + 1], say(model, picture, classes[i : i + 1]), 1e-5)
                assert float(hidden[i, k]) == pytest.approx(
                    1 - kept.double().mean().item(), abs=1e-12
                )
            assert_near(
                curve[i, 4:], say(model, BLACK.expand(1, 3, 12, 10), classes[i : i + 1]), 1e-5
            )
            assert hidden[i, 4] == 1


def test_road_keeps_what_is_not_removed_and_does_not_depend_on_the_batch(material):
    model, explained, m, _ = material
    both = m.of("grad_cam")
    alone_explained, alone = measured(
        model=model,
        batch=LabelledBatch(explained.labelled.inputs[1:2], [8], [None], [{}], [{}], [True]),
    )
    for word in ("road_morf", "road_lerf"):
        assert both[word].shape == (3, 2)
        assert_near(alone.of("grad_cam")[word], both[word][1:2], 1e-4)
    assert not torch.allclose(both["road_morf"], both["road_lerf"])
    assert len(alone_explained.labelled) == 1


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


def test_other_classes_of_the_same_image_come_with_the_same_pass(material):
    model, explained, m, _ = material
    x, order = (
        explained.labelled.inputs,
        model(explained.labelled.inputs).argsort(1, descending=True),
    )
    for name in ("grad_cam", "gradient"):
        for word, classes in (
            ("other_map", order[:, -1]),
            ("given_map", torch.tensor([2, int(order[1, 0]), 5])),
        ):
            assert_near(m.of(name)[word], explain(model, x, classes, name).maps, 1e-5)
        for k in range(5):
            one = explain(model, x, order[:, k], name)
            assert_near(m.of(name)["top_maps"][:, k], one.maps, 1e-5)
            assert_near(m.of(name)["top_peaks"][:, k], one.coarse.flatten(1).amax(1), 1e-5)
    assert torch.equal(m.of("edge")["top_maps"][:, 3], explained.maps["edge"])
    assert m.of("edge")["top_peaks"].min() == torch.inf


def test_the_rank_of_the_given_class(material):
    model, explained, m, _ = material
    order = model(explained.labelled.inputs).argsort(1, descending=True)[:, :5].tolist()
    want = [
        row.index(label) if label in row else 5 for row, label in zip(order, [2, 0, 5], strict=True)
    ]
    want[1] = -1  # unknown
    assert m.of("grad_cam")["rank"].tolist() == want


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


@pytest.mark.parametrize(
    "word", [w for w in WORDS if w not in ("boxes", "given_boxes", "top_boxes", "mask")]
)
def test_an_image_s_numbers_do_not_depend_on_its_batch(word, material):
    model, explained, m, _ = material
    alone = measured(
        model=model,
        batch=LabelledBatch(explained.labelled.inputs[2:], [9], [5], [{}], [{}], [True]),
    )[1]
    for name in ("grad_cam_pp", "edge"):
        got, want = alone.of(name)[word], m.of(name)[word][2:]
        assert torch.allclose(got.double(), want.double(), atol=2e-4, rtol=1e-3), word


def test_small_batches_are_shown_together(monkeypatch):
    sizes = []
    _, m = measured(batch_size=8)
    at_once = ExplainedBatch._confidences_at_once
    monkeypatch.setattr(
        ExplainedBatch,
        "_confidences_at_once",
        lambda self, run, p: sizes.append(len(p) * 3) or at_once(self, run, p),
    )
    m.of("grad_cam")["masked_score"]  # 5 maps of 3 images
    assert sizes == [9, 6]


def test_given_classes_need_no_second_map():
    batch = LabelledBatch(labelled().inputs, [0, 1, 2], [1, 2, 3], [{}] * 3)
    explained = ExplainedBatch(
        net(), batch, ["grad_cam"], Protocol(explained="given"), columns=["given"]
    )
    assert explained.classes.tolist() == [1, 2, 3]
    assert explained.explanations["grad_cam"].maps.shape == (3, 12, 10)
    m = Measurements(explained)
    assert torch.equal(m.of("grad_cam")["given_map"], explained.maps["grad_cam"])


def test_a_logit_protocol_measures_logits():
    model = net()
    explained, m = measured(Protocol(score="logit"), model=model)
    rows = model(explained.labelled.inputs)
    assert_near(m.of("grad_cam")["full_score"], rows.max(1).values.detach(), 1e-5)
    masked = model(explained.seen_through("grad_cam")).gather(1, explained.classes[:, None])[:, 0]
    assert_near(m.of("grad_cam")["masked_score"], masked.detach(), 1e-5)


def test_only_what_was_made_is_recorded(material):
    _, m = measured()
    assert m.recorded("grad_cam") == {}
    m.of("grad_cam")["masked_score"]
    assert list(m.recorded("edge")) == ["masked_score"]
    assert set(RECORDED) < set(WORDS)


def test_controls_alone_say_nothing():
    with pytest.raises(MethodError, match="at least one method beside the controls"):
        ExplainedBatch(net(), labelled(), [], Protocol(), controls=["edge"])


def test_the_least_likely_class_can_be_asked_for():
    model = net()
    e = sightline.explain(model, labelled().inputs, "least")
    assert torch.equal(
        torch.tensor([t.index for t in e.targets]), model(labelled().inputs).argmin(1)
    )
