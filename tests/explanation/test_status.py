"""Whether a map can be read, and if not, why."""

import pytest
import torch

from sightline.explanation.status import Status, statuses
from sightline.maps.upsample import extremes


def of(maps, **kwargs):
    n = len(maps)
    usual = {"layer": "top", "targets": ["cat"] * n, "counts": [{}] * n}
    return statuses(extremes(torch.tensor(maps)), **usual | kwargs)


@pytest.mark.parametrize(
    ("places", "word"),
    [
        ([0.0, 1e-30], "ok"),
        ([-5.0, 0.1], "ok"),
        ([0.0, 0.0], "no positive evidence"),
        ([-1.0, -0.0], "no positive evidence"),
        ([float("nan"), 1.0], "non-finite"),
        ([float("inf"), 1.0], "non-finite"),
        ([float("-inf"), 1.0], "non-finite"),
    ],
)
def test_each_map_has_its_own_word(places, word):
    first, second = of([places, [0.0, 1.0]])
    assert (first.word, first.ok) == (word, word == "ok")
    assert (second.word, second.message, second.ok) == ("ok", "", True)


def test_the_message_names_the_target_and_the_layer_and_says_what_to_do():
    negative, broken = of([[-1.0], [float("nan")]], targets=["cat", "dog"])
    assert negative.message.startswith("No place at 'top' speaks for 'cat' on balance")
    assert "counterfactual=True" in negative.message
    assert broken.message.startswith(
        "The map of 'dog' at 'top', or its score, holds NaN or infinity. Run in"
    )
    dead = of([[0.0]], connected=lambda: False)[0]
    assert (dead.word, dead.ok) == ("no gradient", False)
    assert dead.message.startswith(
        "The score of 'cat' does not depend on 'top'. Name a layer on the way"
    )


def test_what_is_no_number_is_said_first():
    assert of([[float("nan")]], connected=lambda: False)[0].word == "non-finite"


def test_a_score_that_is_no_number_has_no_map():
    found = of([[0.0, 1.0]] * 3, scores=torch.tensor([float("nan"), 1.0, float("-inf")]))
    assert [one.word for one in found] == ["non-finite", "ok", "non-finite"]


@pytest.mark.parametrize("shape", [(2, 7), (2, 3, 4), (2, 2, 3, 4)])
def test_maps_of_any_rank(shape):
    maps = torch.zeros(shape)
    maps[1].view(-1)[3] = 2.0
    found = statuses(extremes(maps), layer="x", targets=["a", "b"], counts=[{}, {}])
    assert [one.word for one in found] == ["no positive evidence", "ok"]


def test_counts_are_told_beside_the_word():
    first, second = of([[1.0], [-1.0]], counts=[{"clamped": 3, "guarded": 0}, {"clamped": 0}])
    assert str(first) == "ok (clamped at 3 places)"
    assert str(second) == "no positive evidence"
    assert (
        str(Status("ok", counts={"clamped": 1, "guarded": 2}))
        == "ok (clamped at 1 places, guarded at 2 places)"
    )
    assert first.ok
