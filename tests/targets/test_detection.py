"""The score of a box and a label, in the answers of torchvision's detectors and of DETR."""

import math

import pytest
import torch

from reference import scores as slow
from sightline.errors import TargetError
from sightline.targets import Box, ask
from sightline.tensors import iou

NAMES = ["nothing", "cat", "dog", "cup"]


def listed(seed=0, n=12, b=2):
    """Random detections as torchvision lists them, the probabilities with a graph."""
    source = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(b):
        low = 60 * torch.rand(n, 2, generator=source)
        boxes = torch.cat([low, low + 5 + 30 * torch.rand(n, 2, generator=source)], dim=1)
        scores = (0.1 + 0.85 * torch.rand(n, generator=source)).requires_grad_()
        found.append(
            {
                "boxes": boxes,
                "labels": torch.randint(1, 4, (n,), generator=source),
                "scores": scores,
            }
        )
    return found


def queries(seed=0, b=2, q=9, k=4):
    source = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(b, q, k, generator=source, dtype=torch.float64)
    boxes = 0.3 + 0.4 * torch.rand(b, q, 4, generator=source, dtype=torch.float64)
    return {"logits": logits.requires_grad_(), "pred_boxes": boxes}


def test_the_detection_meant_has_the_largest_overlap_times_confidence():
    hits = 0
    for seed in range(30):
        outputs, box = listed(seed, b=1), (20.0, 20.0, 60.0, 60.0)
        lists = [outputs[0][name].tolist() for name in ("boxes", "scores", "labels")]
        best = slow.best_detection(*lists, list(box), 2, 0.1)
        if best is None:
            with pytest.raises(TargetError, match=r"IoU\) with the box \(20, 20, 60, 60\)"):
                Box(box, 2, overlap=0.1)(outputs)
            continue
        hits += 1
        assert Box(box, 2, overlap=0.1, score="probability")(outputs).item() == pytest.approx(
            lists[1][best]
        )
        odds = math.log(lists[1][best] / (1 - lists[1][best]))
        assert Box(box, 2, overlap=0.1)(outputs).item() == pytest.approx(odds, abs=1e-5)
    assert 5 < hits < 30


def test_iou_is_the_slow_twin_s():
    boxes = listed()[0]["boxes"]
    for box in boxes:
        assert iou(boxes, box[None])[:, 0].tolist() == pytest.approx(
            [slow.iou(b.tolist(), box.tolist()) for b in boxes], abs=1e-6
        )
    assert iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_without_a_box_or_a_label_it_is_the_surest():
    outputs = listed()
    for i, one in enumerate(outputs):
        sure = one["scores"].detach()
        assert Box(score="probability")(outputs)[i] == sure.max()
        assert Box(label=3, score="probability")(outputs)[i] == sure[one["labels"] == 3].max()


def test_each_image_its_own_box_and_label():
    outputs = listed()
    boxes = torch.stack([outputs[0]["boxes"][3], outputs[1]["boxes"][7]])
    labels = torch.stack([outputs[0]["labels"][3], outputs[1]["labels"][7]])
    scores = Box(boxes, labels, overlap=0.95, score="probability")(outputs)
    assert scores.tolist() == [outputs[0]["scores"][3].item(), outputs[1]["scores"][7].item()]


def test_only_the_score_meant_has_a_derivative_and_it_is_that_of_the_log_odds():
    outputs = listed()
    score = Box(outputs[0]["boxes"][5], int(outputs[0]["labels"][5]), overlap=0.9)([outputs[0]])
    (gradient,) = torch.autograd.grad(score.sum(), outputs[0]["scores"])
    p = float(outputs[0]["scores"][5].detach())
    wanted = torch.zeros(12)
    wanted[5] = 1 / (p * (1 - p))
    assert torch.allclose(gradient, wanted, rtol=1e-4)


def test_behind_a_sigmoid_the_log_odds_are_the_logit():
    logit = torch.tensor([0.7, -1.2], dtype=torch.float64)
    outputs = [
        {"boxes": torch.rand(2, 4), "labels": torch.tensor([1, 2]), "scores": logit.sigmoid()}
    ]
    assert Box(label=2)(outputs).item() == pytest.approx(-1.2, abs=1e-12)


def test_a_probability_of_one_is_finite():
    one = torch.ones(1, requires_grad=True)
    score = Box()([{"boxes": torch.rand(1, 4), "labels": torch.tensor([1]), "scores": one}])
    (gradient,) = torch.autograd.grad(score.sum(), one)
    assert score.isfinite().all()
    assert gradient.isfinite().all()


def test_detr_s_queries_are_the_slow_twin_s():
    outputs, size, box = queries(), (50, 80), (20.0, 15.0, 60.0, 40.0)
    wanted = [
        slow.detr_logit(
            *[outputs[name][i].tolist() for name in ("logits", "pred_boxes")], list(box), 1, size
        )
        for i in range(2)
    ]
    scores = Box(box, 1, overlap=0, confidence=0)(outputs, size=size)
    assert scores.tolist() == pytest.approx(wanted, abs=1e-12)
    (gradient,) = torch.autograd.grad(scores.sum(), outputs["logits"])
    assert gradient.sum().item() == 2
    assert gradient[..., 1].sum().item() == 2


def test_detr_without_a_label_asks_each_query_for_its_best_one_but_not_for_nothing():
    outputs = queries()
    sure = outputs["logits"].detach().softmax(-1)[..., :-1]
    best = sure.flatten(1).argmax(1)
    wanted = [outputs["logits"][i, best[i] // 3, best[i] % 3].item() for i in range(2)]
    assert Box()(outputs).tolist() == wanted
    assert Box(score="probability")(outputs).tolist() == pytest.approx(
        sure.flatten(1).amax(1).tolist()
    )


def test_a_sigmoid_detector_has_no_column_for_nothing():
    outputs = queries()
    assert Box(kind="sigmoid")(outputs).tolist() == outputs["logits"].flatten(1).amax(1).tolist()
    assert (
        Box(label=3, kind="sigmoid")(outputs).tolist() == outputs["logits"][..., 3].amax(1).tolist()
    )
    with pytest.raises(TargetError, match="from 0 to 2; got 3"):
        Box(label=3)(outputs)


def test_detr_s_boxes_are_in_shares_where_nobody_knows_the_picture():
    outputs = queries()
    cx, cy, w, h = outputs["pred_boxes"][0, 2].tolist()
    box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    one = {name: value[:1] for name, value in outputs.items()}
    assert Box(box, 0, overlap=0.99, confidence=0)(one).item() == outputs["logits"][0, 2, 0].item()
    with pytest.raises(
        TargetError, match="in shares of the picture, 0 to 1, or the picture's size"
    ):
        Box((10, 10, 50, 50), 0)(one)


def test_a_batch_is_its_images_one_by_one():
    outputs = listed()
    assert torch.equal(Box(label=2)(outputs), torch.cat([Box(label=2)([one]) for one in outputs]))
    answers = queries()
    each = [
        Box(label=2)({name: value[i : i + 1] for name, value in answers.items()}) for i in range(2)
    ]
    assert torch.equal(Box(label=2)(answers), torch.cat(each))


def test_by_name_and_in_words():
    outputs = listed()
    question = ask(Box(label="dog", score="probability"), outputs, classes=NAMES, images=2)
    assert torch.equal(question.scores[0], Box(label=2, score="probability")(outputs))
    assert str(question.targets[0][0]) == "dog"
    words = [
        Box(),
        Box((1, 2, 3, 4.5), "dog"),
        Box(label=3),
        Box(torch.rand(2, 4)),
        Box(label=torch.tensor([1, 2])),
    ]
    assert [str(one) for one in words] == [
        "the best detection",
        "dog in box 1, 2, 3, 4.5",
        "class 3",
        "the best detection in a box for each image",
        "a label for each image",
    ]
    with pytest.raises(
        TargetError,
        match=r"names are not known, so 'dog' cannot be found. Pass classes=.*categories",
    ):
        Box(label="dog")(outputs)


def test_no_detection_names_the_best_there_is():
    boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    outputs = [
        {"boxes": boxes, "labels": torch.tensor([1, 3]), "scores": torch.tensor([0.04, 0.3])}
    ]
    empty = [
        {
            "boxes": torch.zeros(0, 4),
            "labels": torch.zeros(0, dtype=torch.long),
            "scores": torch.zeros(0),
        }
    ]
    for target, given, message in [
        (
            Box(),
            empty,
            (
                "a detection with a confidence of 0.05 at least in image 0; the detector found"
                " nothing. Check"
            ),
        ),
        (
            Box(label=1),
            outputs,
            r"of 'cat' with a con.* the best of 2 is 'cat' \(0.04\) in \(0, 0, 10, 10\)\. Ask for",
        ),
        (
            Box(label=2),
            outputs,
            r"of 'dog' .* none of that label; the best of 2 is 'cup' \(0.30\) in \(50, 50, 60, 60",
        ),
        (
            Box((52, 50, 70, 60), 3),
            outputs,
            r"shares 0.5 \(IoU\) .* The nearest shares 0.40, with 'cup' \(0.30\)",
        ),
    ]:
        with pytest.raises(TargetError, match=message):
            target(given, NAMES)
    assert Box(label=1, confidence=0.01, score="probability")(outputs).item() == pytest.approx(0.04)
    assert Box((52, 50, 70, 60), 3, overlap=0.3, score="probability")(
        outputs
    ).item() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("target", "outputs", "message"),
    [
        (Box((10, 10, 5, 20)), listed(), r"box \(left, top, right, bottom\)"),
        (Box(torch.rand(3, 4)), listed(), r"each of the 2 images, \[2, 4\]"),
        (Box(), torch.zeros(2, 5), "the model returned Tensor"),
        (
            Box(),
            {"loss_classifier": torch.tensor(1.0)},
            "the model returned dict. Where targets were given",
        ),
        (Box(), [], "the model returned list"),
    ],
    ids=["backwards", "three boxes", "a classifier", "losses", "nothing"],
)
def test_what_cannot_be_asked(target, outputs, message):
    with pytest.raises(TargetError, match=message):
        target(outputs)


def test_another_score_is_refused():
    target = Box()
    object.__setattr__(target, "score", "loss")
    with pytest.raises(TargetError, match=r"score='logit' or 'probability' .* score='loss'"):
        target(listed())
