"""`alpha="exact"`: the slow twin, the closed forms where nothing bends, the guard, the way from
model to map.
"""

import itertools
from types import SimpleNamespace

import pytest
import torch

import sightline
from helpers import curved_tails as bends
from helpers.closeness import assert_near, assert_relative
from reference.grad_cam_pp_exact import grad_cam_pp_exact as slowly
from reference.grad_cam_pp_general import weights_from
from reference.true_derivatives import true_derivatives
from sightline.errors import MethodError
from sightline.methods import EXACT, METHODS, SCORES
from sightline.methods.cams.common.exact import grad_cam_pp_exact
from sightline.supply import options
from sightline.surgery.derivatives import diagonal
from sightline.surgery.derivatives.second_run import SecondRun

WAYS = [
    ("attention", "exp", "directions"),
    ("pooled, layer norm", "softmax", "pooled"),
    ("silu", "exp", "powers"),
]
"""A head, a score, and the way to its derivatives."""


def drawn(seed=0, signed=True):
    source = torch.Generator().manual_seed(seed)
    a, s1, s2, s3 = torch.randn(4, 2, 3, 4, 5, generator=source, dtype=torch.float64)
    return (a if signed else a.relu()), s1, s2, s3


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("guard", [True, False])
def test_weights_of_the_slow_twin(guard, signed):
    numbers = drawn(signed=signed)
    assert_near(grad_cam_pp_exact(*numbers, guard=guard), slowly(*numbers, guard=guard), 1e-12)


def test_the_guard_is_counted_where_it_matters():
    numbers = drawn()
    seen = []
    grad_cam_pp_exact(*numbers, tally=lambda *call: seen.append(call))
    ((word, places),) = seen
    a, s1, s2, s3 = numbers
    second, third = s1**2 + s2, s1**3 + 3 * s1 * s2 + s3
    alphas = second / (2 * second + a.sum((2, 3), keepdim=True) * third)
    assert word == "guarded"
    assert torch.equal(places, ~((alphas > 0) & (alphas < 1)) & (s1 > 0))
    assert 0 < int(places.sum()) < int((s1 > 0).sum())


def test_without_curvature_it_is_the_closed_form_at_the_clamp_too():
    a, s1, _, _ = drawn()
    zero = torch.zeros_like(a)
    assert float((2 + s1.relu() * a.sum((2, 3), keepdim=True)).min()) < 0, "some places are clamped"
    assert_relative(grad_cam_pp_exact(a, s1, zero, zero), METHODS["grad_cam_pp"](a, s1), 1e-12)


@pytest.mark.parametrize("small", [1e-20, 1e-30])
def test_small_gradients_do_not_underflow(small):
    one = torch.ones(1, 1, 2)
    assert grad_cam_pp_exact(one, small * one, 0 * one, 0 * one).item() == pytest.approx(small)


def test_what_is_not_a_number_stays_visible():
    one = torch.ones(1, 1, 2)
    assert grad_cam_pp_exact(one, one, one, torch.tensor([[[torch.nan, 1.0]]])).isnan().all()


@pytest.mark.parametrize("name", ["relu", "fully connected, relu"])
@pytest.mark.parametrize("score", SCORES)
def test_behind_straight_heads_every_score_has_its_closed_form(name, score):
    net, activations = bends.made(name)
    asked = {"target": [0, 2], "layer": "0", "score": score}
    exact = sightline.explain(net, activations, alpha="exact", **asked)
    paper = sightline.explain(net, activations, alpha="paper", **asked)
    if score in ("exp", "sigmoid"):
        assert_near(exact.coarse, paper.coarse, 1e-10)
    else:
        assert_near(exact.coarse, paper.coarse, 1e-8)  # of the derivatives of a whole softmax
    assert exact.method == paper.method


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("name", ["gelu", "attention"])
def test_maps_from_true_derivatives_of_every_score(name, score):
    """The letter: Y itself differentiated three times along every activation, then eq. 10 and 5."""
    net, activations = bends.made(name, images=1)
    forms = {
        "exp": lambda s: s[2].exp(), "softmax": lambda s: s.softmax(0)[2],
        "log_softmax": lambda s: s.log_softmax(0)[2], "sigmoid": lambda s: s[2].sigmoid(),
    }  # fmt: skip
    with bends.brute():
        three = true_derivatives(lambda a: forms[score](net(a)[0]), activations)
    found = sightline.explain(
        net, activations, target=2, layer="0", alpha="exact", score=score, guard=False
    )
    want = weights_from(activations, torch.stack(three).numpy(), "paper", guard=False)
    coarse = (want * activations).sum(1)
    scale = (found.coarse * coarse).sum() / (
        coarse**2
    ).sum()  # the factor that every form leaves out
    assert scale > 0
    assert_near(found.coarse / scale, coarse, 1e-8)


@pytest.mark.slow
def test_the_guard_stands_in_the_status_and_the_variant():
    net, activations = bends.made("attention")
    found = sightline.explain(net, activations, target=0, layer="0", alpha="exact")
    assert found.variant["alpha"] == "exact"
    assert all(one.counts["guarded"] > 0 for one in found.status)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "score", "way"), WAYS)
def test_the_result_tells_how_the_derivatives_were_made(head, score, way):
    net, activations = bends.made(head)
    exact, paper = (
        sightline.explain(net, activations, target=0, layer="0", alpha=alpha, score=score)
        for alpha in ("exact", "paper")
    )
    told = [note for note in exact.provenance["notes"] if "derivatives" in note]
    assert told == [f"second and third derivatives made by {way!r} (docs/exact.md)"]
    assert not [note for note in paper.provenance["notes"] if "derivatives" in note]


def clock(monkeypatch, seconds):
    """At every look, so many seconds more have gone by: no machine, no load tells another time."""
    looks = itertools.count()
    monkeypatch.setattr(
        diagonal, "time", SimpleNamespace(perf_counter=lambda: seconds * next(looks))
    )
    monkeypatch.setattr(diagonal, "_NUMBERS", 1024)  # five directions at once


@pytest.mark.slow
def test_a_long_wait_is_announced(monkeypatch):
    """Twelve times five directions; the second five took 90 s, and ten times five are to come."""
    net, activations = bends.made("attention", images=1)
    clock(monkeypatch, 90)
    with pytest.warns(
        UserWarning,
        match=r"carries 60 directions .* about 15 minutes. A layer nearer to the output",
    ):
        sightline.explain(net, activations, target=0, layer="0", alpha="exact")


@pytest.mark.slow
def test_a_short_wait_is_not_announced(monkeypatch):
    net, activations = bends.made("attention", images=1)
    clock(monkeypatch, 5.9)  # in all 59 s: a warning would be an error
    sightline.explain(net, activations, target=0, layer="0", alpha="exact")


@pytest.mark.parametrize(
    "asked", [{"alpha": "exact"}, {"method": "shapley_cam", "utility": "logit"}]
)
def test_memory_that_ran_out_is_no_reason_for_a_slower_way(asked, monkeypatch):
    net, activations = bends.made("attention")

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(SecondRun, "tape", full)
    with pytest.raises(torch.OutOfMemoryError):
        sightline.explain(net, activations, target=0, layer="0", **asked)


def test_what_speaks_against_is_the_negated_score():
    net, activations = bends.made("silu")
    found = sightline.explain(
        net, activations, target=1, layer="0", alpha="exact", counterfactual=True
    )
    negated = sightline.explain(
        net, activations, target=lambda out: -out[:, 1], layer="0", alpha="exact"
    )
    assert_near(found.coarse, negated.coarse, 1e-10)


@pytest.mark.slow
def test_a_broken_image_spoils_no_other():
    net, activations = bends.made("attention")
    alone = sightline.explain(net, activations[:1], target=0, layer="0", alpha="exact")
    activations[1, 0] = torch.nan
    found = sightline.explain(net, activations, target=0, layer="0", alpha="exact")
    assert [one.word for one in found.status] == ["ok", "non-finite"]
    assert_near(found.coarse[:1], alone.coarse, 1e-10)


def test_several_methods_share_it_and_guided_products_have_it():
    net, activations = bends.made("silu")
    found = sightline.explain(
        net, activations, method=["grad_cam_pp", "grad_cam"], layer="0", alpha="exact"
    )
    alone = sightline.explain(net, activations, layer="0", alpha="exact")
    assert torch.equal(found["grad_cam_pp"].coarse, alone.coarse)


def test_each_form_has_its_exact_one():
    assert set(EXACT) == set(SCORES.values())
    for function in EXACT.values():
        assert options(function) == ["alpha", "guard", "tally"]


def test_only_exact_is_taken():
    one = torch.ones(1, 1, 1)
    with pytest.raises(MethodError, match=r"alpha='exact'.*'paper'"):
        grad_cam_pp_exact(one, one, one, one, alpha="paper")
    with pytest.raises(MethodError, match="'exact' needs more derivatives"):
        METHODS["grad_cam_pp"](one, one, alpha="exact")


@pytest.mark.slow
def test_the_command_line_knows_it(tmp_path):
    from click.testing import CliRunner
    from PIL import Image
    from safetensors.torch import load_file

    from sightline.apps.cli import commands

    picture = tmp_path / "a.png"
    Image.effect_noise((64, 64), 90).convert("RGB").save(picture)
    said = CliRunner().invoke(
        commands,
        [
            "explain",
            str(picture),
            "--score",
            "softmax",
            "--alpha",
            "exact",
            "--out",
            str(tmp_path / "out"),
        ],
    )
    assert said.exit_code == 0, said.output
    found = load_file(tmp_path / "out" / "maps" / "a.safetensors")["grad_cam_pp_softmax/coarse"]
    wanted = sightline.explain(
        sightline.load("lookout").model, picture, score="softmax", alpha="exact"
    )
    torch.testing.assert_close(found.squeeze(), wanted.coarse.squeeze())
