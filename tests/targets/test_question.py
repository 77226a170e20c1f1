"""Every form a target can have, and what is said of those it cannot."""

from functools import partial

import numpy as np
import pytest
import torch

from helpers.nets import short
from sightline.errors import TargetError
from sightline.targets import Target, ask

LOGITS = torch.tensor([[0.1, 3.0, 2.0, -1.0], [5.0, 0.0, 1.0, 2.0], [0.0, -2.0, -1.0, 1.0]])
"""Three images, four classes; the most probable are 1, 0, 3."""

NAMES = ["tabby, tabby cat", "tiger cat", "lens cap, lens cover", "crane"]


def asked(target, **kwargs):
    """Class numbers `[b, n]`, after checking that scores, confidence and targets speak of the same
    classes.
    """
    question = ask(target, LOGITS, classes=NAMES, **kwargs)
    indices = question.indices
    assert question.scores.shape == (indices.shape[1], 3)
    for i, row in enumerate(indices.tolist()):
        assert question.targets[i] == [Target(k, NAMES[k]) for k in row]
        for j, k in enumerate(row):
            assert question.scores[j, i] == LOGITS[i, k]
            torch.testing.assert_close(question.confidence[i, j], LOGITS[i].softmax(0)[k])
    return indices.tolist(), question.several


@pytest.mark.parametrize(
    ("target", "indices", "several"),
    [
        (None, [[1], [0], [3]], False),
        ("predicted", [[1], [0], [3]], False),
        ("Predicted", [[1], [0], [3]], False),
        (2, [[2], [2], [2]], False),
        (np.int64(2), [[2], [2], [2]], False),
        ("2", [[2], [2], [2]], False),
        ("tiger cat", [[1], [1], [1]], False),
        ("top1", [[1], [0], [3]], True),
        ("top2", [[1, 2], [0, 3], [3, 0]], True),
        ("Top-3", [[1, 2, 0], [0, 3, 2], [3, 0, 2]], True),
        ("top_4", [[1, 2, 0, 3], [0, 3, 2, 1], [3, 0, 2, 1]], True),
        ([3], [[3], [3], [3]], True),
        ([3, "tabby"], [[3, 0], [3, 0], [3, 0]], True),
        ((3, 0), [[3, 0], [3, 0], [3, 0]], True),
        ([None, "top2", 3], [[1, 1, 2, 3], [0, 0, 3, 3], [3, 3, 0, 3]], True),
        ([np.int32(1), torch.tensor(2)], [[1, 2], [1, 2], [1, 2]], True),
        ([[1], [0], ["crane"]], [[1], [0], [3]], True),
        ([[1, 2], (0, None), ["crane", "top1"]], [[1, 2], [0, 0], [3, 3]], True),
        (torch.tensor(2), [[2], [2], [2]], False),
        (torch.tensor([3, 0, 1]), [[3], [0], [1]], False),
        (torch.tensor([3, 0, 1], dtype=torch.uint8), [[3], [0], [1]], False),
        (torch.tensor([[3, 1], [0, 1], [1, 1]]), [[3, 1], [0, 1], [1, 1]], True),
        (torch.tensor([[3], [0], [1]]), [[3], [0], [1]], True),
        (np.array([3, 0, 1]), [[3], [0], [1]], False),
        (np.array([3, 0, 1], dtype=np.uint16), [[3], [0], [1]], False),
        (np.array([[3, 1], [0, 1], [1, 1]], dtype=np.int32), [[3, 1], [0, 1], [1, 1]], True),
        (np.array(2), [[2], [2], [2]], False),
    ],
    ids=short,
)
def test_every_form_of_a_class_target(target, indices, several):
    assert asked(target) == (indices, several)
    assert asked(target, images=3) == (indices, several)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (4, r"class from 0 to 3 \(the model has 4 outputs\); got 4"),
        (-1, "from 0 to 3 .* got -1"),
        ("4", "from 0 to 3 .* got 4"),
        ([0, 9], "from 0 to 3 .* got 9"),
        (torch.tensor([0, 1, 4]), "from 0 to 3 .* got 4"),
        (torch.tensor([0, 1, -1]), "from 0 to 3 .* got -1"),
        (np.array([7, 0, 0]), "from 0 to 3 .* got 7"),
        ("top0", r"top1 to top4 .* got 'top0'"),
        ("top5", r"top1 to top4 .* got 'top5'"),
        (
            torch.tensor([1.0, 2.0, 0.0]),
            r"integers; got torch.float32. Use \.long\(\) or \.argmax\(1\)",
        ),
        (torch.tensor([True, False, True]), "integers; got torch.bool"),
        (np.array([1.0, 2.0, 0.0]), r"integers; got an array of float64. Use \.astype\(int\)"),
        (np.array(["tabby", "crane", "crane"]), r"integers; got an array of <U5.*\.tolist\(\)"),
        (torch.tensor([1, 2]), r"each of the 3 images, a tensor \[3\] or \[3, n\]; got \(2,\)"),
        (torch.zeros(2, 3, dtype=torch.long), r"\[3\] or \[3, n\]; got \(2, 3\)"),
        (torch.zeros(3, 1, 1, dtype=torch.long), r"got \(3, 1, 1\)"),
        (torch.zeros(3, 0, dtype=torch.long), r"got \(3, 0\)"),
        (np.zeros((2, 2), dtype=int), r"got \(2, 2\)"),
        ([], "at least one target; got an empty list"),
        ([[1], [2]], "each of the 3 images a list of equally many targets; got 2 entries"),
        ([[1], [2, 3], [0]], "equally many targets"),
        ([[1], 2, [0]], "equally many targets"),
        ([["top2"], [1], [2]], r"equally many; the lists ask for \[2, 1, 1\]"),
        ([[], [], []], "at least one class of each image"),
        ([1.0], "Expected a class number, .*; got float"),
        (True, "Expected a class number, .*; got bool"),
        ([{1, 2}], "Expected a class number, .*; got set"),
        ([0, lambda out: out[:, 0]], "got function among classes. Ask in two calls"),
        ("tabbi", r"no class 'tabbi'. Near names: 'tabby'.* Numbers 0 to 3 work too"),
    ],
    ids=lambda value: short(value)[:40],
)
def test_what_cannot_be_asked_says_what_came_and_what_to_do(target, message):
    with pytest.raises(TargetError, match=message):
        ask(target, LOGITS, classes=NAMES)


def of_third(outputs):
    return outputs[:, 2]


def times(outputs, factor):
    return outputs[:, 1] * factor


class Called:
    def __call__(self, outputs):
        return outputs[:, 0]


@pytest.mark.parametrize(
    ("target", "names", "scores"),
    [
        (of_third, ["of_third"], [LOGITS[:, 2]]),
        (lambda out: out[:, 0] - out[:, 1], ["<lambda>"], [LOGITS[:, 0] - LOGITS[:, 1]]),
        (partial(times, factor=2), ["times"], [2 * LOGITS[:, 1]]),
        (partial(partial(times), factor=3), ["times"], [3 * LOGITS[:, 1]]),
        (Called(), ["a function"], [LOGITS[:, 0]]),
        (
            [of_third, partial(times, factor=2)],
            ["of_third", "times"],
            [LOGITS[:, 2], 2 * LOGITS[:, 1]],
        ),
    ],
)
def test_functions_of_the_outputs(target, names, scores):
    question = ask(target, LOGITS, classes=NAMES, images=3)
    assert torch.equal(question.scores, torch.stack(scores))
    assert question.targets == [[Target(None, name) for name in names]] * 3
    assert question.several is isinstance(target, list)
    assert (question.indices, question.confidence, question.rows, question.top) == (
        None,
        None,
        None,
        [],
    )


@pytest.mark.parametrize(
    ("target", "came"),
    [
        (lambda out: out[:, :1], r"\(3, 1\)"),
        (lambda out: out, r"\(3, 4\)"),
        (lambda out: out.sum(), r"\(\)"),
        (lambda out: out[:2, 0], r"\(2,\)"),
        (lambda out: 3.0, "float"),
        (lambda out: out[:, 0].numpy(), "ndarray"),
        ([of_third, lambda out: out[:2, 0]], r"\(2,\)"),
    ],
)
def test_functions_have_to_give_one_score_an_image(target, came):
    with pytest.raises(
        TargetError,
        match=f"one score an image, a tensor \\[3\\]; it gave {came}. Sum over what belongs",
    ):
        ask(target, LOGITS, images=3)


def test_functions_that_disagree_are_told_so_even_if_nobody_says_how_many_images_there_are():
    with pytest.raises(TargetError, match=r"\[3\]; it gave \(2,\)"):
        ask([of_third, lambda out: out[:2, 0]], LOGITS)


def test_a_function_gets_whatever_the_model_returned():
    outputs = {"boxes": torch.ones(2, 7, 4), "scores": torch.arange(14.0).reshape(2, 7)}
    question = ask(lambda out: out["scores"][:, 3] * out["boxes"][:, 0, 0], outputs, images=2)
    assert question.scores.tolist() == [[3.0, 10.0]]


def test_scores_keep_their_graph_and_confidence_has_none():
    logits = LOGITS.clone().requires_grad_()
    question = ask([0, 1], logits)
    (gradient,) = torch.autograd.grad(question.scores[1].sum(), logits)
    assert torch.equal(gradient, torch.tensor([[0.0, 1, 0, 0]] * 3))
    assert not question.confidence.requires_grad


def test_sigmoid_models_give_each_class_a_confidence_of_its_own():
    question = ask([0, 3], LOGITS, kind="sigmoid")
    torch.testing.assert_close(question.confidence, LOGITS[:, [0, 3]].sigmoid())
    assert torch.equal(question.scores, LOGITS[:, [0, 3]].T)


@pytest.mark.parametrize("shape", [(3, 1), (3,)])
def test_a_single_logit_has_a_negative_and_a_positive_class(shape):
    logit = torch.tensor([2.0, -1.0, 0.5])
    outputs = logit.reshape(shape)
    predicted = ask(None, outputs)
    assert predicted.single
    assert predicted.indices.tolist() == [[1], [0], [1]]
    assert [row[0].name for row in predicted.targets] == ["positive", "negative", "positive"]
    assert torch.equal(predicted.scores, torch.tensor([[2.0, 1.0, 0.5]]))
    torch.testing.assert_close(predicted.confidence[:, 0], torch.tensor([2.0, 1.0, 0.5]).sigmoid())
    against = ask(0, outputs)
    assert torch.equal(against.scores[0], -logit)
    torch.testing.assert_close(against.confidence[:, 0], (-logit).sigmoid())
    assert ask("positive", outputs).indices.tolist() == [[1]] * 3
    assert ask("dog", outputs, classes=["cat", "dog"]).indices.tolist() == [[1]] * 3
    assert ask("top2", outputs).indices.tolist() == [[1, 0], [0, 1], [1, 0]]
    with pytest.raises(TargetError, match="from 0 to 1"):
        ask(2, outputs)


def test_the_most_probable_classes_stand_in_order_with_their_confidence():
    question = ask(2, LOGITS, classes=NAMES)
    assert [[target.index for target, _ in row] for row in question.top] == [
        [1, 2, 0, 3],
        [0, 3, 2, 1],
        [3, 0, 2, 1],
    ]
    assert question.top[1][0][0].name == "tabby, tabby cat"
    assert question.top[1][0][1] == pytest.approx(float(LOGITS[1].softmax(0)[0]))
    many = ask(None, torch.arange(9.0).repeat(2, 1))
    assert [target.name for target, _ in many.top[0]] == [
        "class 8",
        "class 7",
        "class 6",
        "class 5",
        "class 4",
    ]


def test_outputs_with_another_number_of_rows_than_images_are_refused():
    with pytest.raises(TargetError, match="each of the 6 images; the model returned 3"):
        ask(None, LOGITS, images=6)


def test_half_precision_logits_keep_their_dtype_and_give_float32_confidence():
    question = ask("top2", LOGITS.half())
    assert question.scores.dtype == torch.float16
    assert question.confidence.dtype == torch.float32
    assert question.indices.tolist() == [[1, 2], [0, 3], [3, 0]]
