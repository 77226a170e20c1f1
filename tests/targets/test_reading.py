"""Logits, probabilities, logarithms of them: told by the last operator, or by the range."""

import pytest
import torch
import torch.nn.functional as F

from sightline.targets.reading import PLAIN, Reading, reading_of


def scores(k=3, scale=1.0):
    torch.manual_seed(0)
    return (scale * torch.randn(4, k)).requires_grad_()


SOFTMAX = {
    "softmax": lambda z: z.softmax(1),
    "a part of a batch": lambda z: z.softmax(1)[:2],
    "without a background": lambda z: z.softmax(1)[:, 1:],
    "clamped": lambda z: z.softmax(1).clamp(1e-6, 1 - 1e-6),
    "a mean of two": lambda z: (z.softmax(1) + (2 * z).softmax(1)) / 2,
    "a mean of a stack": lambda z: torch.stack([z.softmax(1), (-z).softmax(1)]).mean(0),
    "exp of log": lambda z: z.log_softmax(1).exp(),
    "in half": lambda z: z.bfloat16().softmax(1).float(),
    "over the mean of places": lambda z: z[..., None].expand(4, 3, 5).softmax(1).mean(2),
    "by hand": lambda z: z.exp() / z.exp().sum(1, keepdim=True),
}
SIGMOID = {
    "sigmoid": lambda z: z.sigmoid(),
    "functional": lambda z: F.sigmoid(z),
    "expit": lambda z: torch.special.expit(z),
    "one column": lambda z: z[:, :1].sigmoid(),
    "an ensemble": lambda z: torch.stack([z[:, :1].sigmoid(), z[:, 1:2].sigmoid()]).mean(0),
    "objectness times class": lambda z: z[:, :1].sigmoid() * z.sigmoid(),
}
LOGITS = {
    "a linear layer": lambda z: z @ torch.eye(3),
    "one column": lambda z: z[:, :1] * 1,
    "gated": lambda z: z * z.sigmoid(),
    "a gate in [0, 1]": lambda z: z.abs().clamp(max=1) * z.sigmoid(),
    "a sum of sigmoids": lambda z: z.sigmoid().cumsum(1),
    "a rectifier": lambda z: z.relu(),
    "a mean of logarithms": lambda z: (z.log_softmax(1) + (2 * z).log_softmax(1)) / 2,
    "no graph, and a negative number": lambda z: z.detach(),
}


@pytest.mark.parametrize("made", SOFTMAX)
def test_what_comes_from_a_softmax_is_read_so(made):
    rows = SOFTMAX[made](scores())
    reading = reading_of(rows)
    assert (reading.kind, reading.already, reading.log) == ("softmax", True, False)
    assert torch.equal(reading.probabilities(rows), rows.detach())
    assert torch.allclose(reading.logits(rows).exp(), rows)


@pytest.mark.parametrize("made", SIGMOID)
def test_what_comes_from_a_sigmoid_is_read_so(made):
    rows = SIGMOID[made](scores())
    reading = reading_of(rows)
    assert (reading.kind, reading.already) == ("sigmoid", True)
    sure = reading.probabilities(rows)
    assert torch.equal(sure[:, -1], rows.detach()[:, -1])
    if rows.shape[1] == 1:
        assert torch.allclose(sure.sum(1), torch.ones(4))
    assert torch.allclose(reading.logits(rows).sigmoid(), rows)


@pytest.mark.parametrize("made", LOGITS)
def test_what_comes_from_neither_is_no_probability(made):
    rows = LOGITS[made](scores())
    assert reading_of(rows).plain


def test_two_columns_that_a_sigmoid_shares_out_exclude_each_other():
    p = scores(1).sigmoid()
    assert reading_of(torch.cat([1 - p, p], 1)).kind == "softmax"


def test_logarithms_are_told_and_stay_as_they_are():
    z = scores()
    rows = z.log_softmax(1)
    reading = reading_of(rows)
    assert reading.log
    assert not reading.plain
    assert torch.allclose(reading.probabilities(rows), z.softmax(1).detach())
    assert reading.logits(rows) is rows
    assert torch.allclose(reading.log_of(z.softmax(1)), rows)


def test_without_a_graph_rows_that_sum_to_one_are_probabilities():
    rows = scores().detach().softmax(1)
    assert reading_of(rows).by == "each row sums to one"
    assert reading_of(scores(1).detach().sigmoid()) == Reading("sigmoid")  # it may be a logit


@pytest.mark.parametrize(("k", "kind"), [(1, "sigmoid"), (3, "softmax")])
def test_a_card_may_say_it(k, kind):
    rows = scores(k).softmax(1).detach() if k > 1 else scores(1).sigmoid().detach()
    reading = reading_of(rows, "probability")
    assert (reading.kind, reading.already) == (kind, True)
    assert reading_of(scores(3).sigmoid().detach(), "probability").kind == "sigmoid"


def test_certain_probabilities_have_finite_scores():
    sure = torch.tensor([[0.0, 1.0]])
    assert Reading("softmax", already=True).logits(sure).isfinite().all()
    assert Reading("sigmoid", already=True).logits(sure).isfinite().all()


def test_a_record_makes_the_reading_again():
    reading = reading_of(scores().softmax(1))
    assert Reading(**reading.record) == reading
    assert PLAIN.notes(False) == []
