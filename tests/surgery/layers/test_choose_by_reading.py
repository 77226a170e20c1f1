"""The layer for a score of the outputs, remembered by what the score reads."""

import pytest
import torch
from torch import nn

from sightline import explain
from sightline.surgery import capture, choose, choose_by_reading, outputs_read, readable
from sightline.surgery.harness.given import Given
from sightline.surgery.layers import choose as module

PICTURE = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Levels(nn.Module):
    """A head on each of two levels."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU())
        self.coarse = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.SiLU())
        self.one, self.two = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        fine = self.fine(x)
        return {"fine": self.one(fine), "coarse": self.two(self.coarse(fine))}


def of(key, k=1):
    return lambda out: out[key][:, k].square().mean((1, 2))


@pytest.fixture
def searched(monkeypatch):
    """How often a layer was searched for."""
    searches = []

    def counted(given, score):
        searches.append(score)
        return search(given, score)

    search = module.search
    monkeypatch.setattr(module, "search", counted)
    return searches


def test_another_output_has_another_layer_whichever_is_asked_first(searched):
    x = PICTURE
    for order in (("fine", "coarse"), ("coarse", "fine")):
        net = Levels().eval()
        found = {key: explain(net, x, of(key), "layer_cam") for key in order}
        assert {key: e.layer for key, e in found.items()} == {"fine": "fine", "coarse": "coarse"}
        assert {e.status[0].word for e in found.values()} == {"ok"}
    assert len(searched) == 4


def test_a_fresh_function_that_reads_the_same_searches_no_more(searched):
    net, x = Levels().eval(), PICTURE
    for k in (0, 1, 0):
        assert explain(net, x, of("coarse", k), "grad_cam").layer == "coarse"
    explain(net, x, lambda outputs: outputs["coarse"].mean((1, 2, 3)), "grad_cam")
    assert len(searched) == 1
    for key in ("fine", "coarse", "fine", "coarse"):  # each is remembered
        assert explain(net, x, of(key), "grad_cam").layer == key
    assert len(searched) == 2


def test_a_score_of_both_is_a_third_question(searched):
    net, x = Levels().eval(), PICTURE
    explain(net, x, of("coarse"), "grad_cam")
    both = explain(net, x, lambda out: of("fine")(out) + of("coarse")(out), "grad_cam")
    assert both.layer == "one + coarse"
    assert both.status[0].word in ("ok", "no positive evidence")
    assert len(searched) == 2


def test_another_model_and_another_part_are_searched_anew(searched):
    net, x = Levels().eval(), PICTURE
    explain(net, x, of("coarse"), "grad_cam")
    net.coarse = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.SiLU())
    explain(net, x, of("coarse"), "grad_cam")
    explain(Levels().eval(), x, of("coarse"), "grad_cam")
    assert len(searched) == 3


def test_which_outputs_are_read():
    one, two, three = (torch.rand(2, requires_grad=True) for _ in range(3))
    outputs = {"one": one, "rest": [two * 1, three.detach()]}
    assert outputs_read(outputs["rest"][0].sum(), outputs) == ((1, ()),)
    assert outputs_read(one.sum() + outputs["rest"][0].sum(), outputs) == ((0, ()), (1, ()))
    assert outputs_read(0 * one.sum(), outputs) == ()  # nothing depends on it
    assert outputs_read(torch.ones(1), outputs) == ()


def test_outputs_are_readable_for_as_long_as_that():
    live, closed, numbers = torch.rand(2, requires_grad=True), torch.rand(2), torch.arange(2)
    with torch.inference_mode():
        inferred = torch.rand(2)
    outputs = (live * 1, closed, numbers, inferred)
    with readable(outputs):
        assert outputs_read((closed * live).sum(), outputs) == ((1, ()),)
    assert [one.requires_grad for one in outputs] == [True, False, False, False]


def test_how_much_of_an_output_is_read():
    rows, tokens = torch.rand(2, 5, requires_grad=True), torch.rand(2, 7, 4, requires_grad=True)
    outputs = rows * 1, tokens * 1
    for k in (0, 3):  # one class is like another
        assert outputs_read(outputs[0][:, k].sum(), outputs) == ((0, ()),)
    for score, extent in (
        (outputs[1].sum(), "all"),
        (outputs[1][:, 0].sum(), "first"),
        (outputs[1][:, 2, 1].sum(), "some"),
        (outputs[1][1, 1:].sum(), "some"),
    ):
        assert outputs_read(score, outputs) == ((1, (extent,)),)
    maps = torch.rand(2, 3, 4, 5, requires_grad=True) * 1
    assert outputs_read(maps[:, 1].sum(), maps) == ((0, ("all", "all")),)
    assert outputs_read(maps[:, 0, 1:].sum(), maps) == ((0, ("some", "all")),)


def test_the_run_that_was_right_is_run_once():
    net, x, runs = Levels().eval(), PICTURE, []
    given = Given.of(net, x)

    def run(choice):
        trace = capture(net, given, choice.name)
        runs.append(choice.name)
        with readable(trace.outputs):
            return choice.name, outputs_read(of(asked)(trace.outputs), trace.outputs)

    for asked in ("coarse", "coarse", "fine", "fine"):
        choice, found = choose_by_reading(given, of(asked), "a function", run)
        assert choice.name == found == asked
    # the level asked for last is tried first, and another one run where that was not it
    assert runs == ["coarse", "coarse", "coarse", "fine", "fine"]
    assert choose(net, x).name == "fine"  # the first of the outputs is another question
