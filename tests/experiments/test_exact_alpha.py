"""The program in small: what is counted, and that the page's numbers are those of the rows."""

import json

import exact_alpha
import numpy as np
import pytest
import torch
from curved_nets import TRAINED
from exact_alpha import exact, exact_unguarded

import sightline
from helpers.data import shared
from sightline.evaluation import store


def test_what_is_measured_is_alpha_exact():
    torch.manual_seed(0)
    net = TRAINED["SiLU"][0]().eval().double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    ours = sightline.explain(net, images, target=0, layer="4", method=exact)
    asked = sightline.explain(net, images, target=0, layer="4", alpha="exact")
    torch.testing.assert_close(ours.coarse, asked.coarse, rtol=1e-12, atol=1e-12)
    bare = sightline.explain(net, images, target=0, layer="4", alpha="exact", guard=False)
    letter = sightline.explain(net, images, target=0, layer="4", method=exact_unguarded)
    torch.testing.assert_close(letter.coarse, bare.coarse, rtol=1e-12, atol=1e-12)


def test_places_are_counted_one_by_one():
    generator = torch.Generator().manual_seed(5)
    activations = torch.rand(2, 3, 2, 2, generator=generator)
    first, second, third = (torch.randn(2, 3, 2, 2, generator=generator) for _ in range(3))
    counts = {}
    exact(
        activations,
        first,
        second,
        third,
        tally=lambda word, places: counts.update({word: places.sum().item()}),
    )
    triples = list(zip(first.flatten().tolist(), second.flatten().tolist(), strict=True))
    assert counts["places"] == sum(g > 0 for g, _ in triples)
    assert counts["bent"] == sum(g > 0 and abs(bend) > g * g for g, bend in triples)
    assert 0 < counts["bent"] < counts["places"]


def test_the_page_says_what_the_rows_hold(tmp_path):
    data = shared("cifar10").parent
    found, notes = exact_alpha.run(data, tmp_path, 4, ("ResNet-20", "Swin"))
    lines = exact_alpha.page(found, notes)
    drops = next(line for line in lines if line.startswith("| Grad-CAM++, exact | ")).split(" | ")
    for column, name in enumerate(found):
        (folder,) = (one for one in (tmp_path / "exact_alpha" / name).iterdir() if one.is_dir())
        rows = store.read(folder)
        full, kept = (
            np.array(rows.column(word, "exact")) for word in ("full_score", "masked_score")
        )
        assert float(drops[1 + column].split(" ")[0]) == round(
            100 * (np.maximum(0, full - kept) / full).mean(), 1
        )
        counts = [json.loads(one) for one in rows.column("counts", "exact")]
        share = np.mean([100 * count.get("guarded", 0) / count["places"] for count in counts])
        assert exact_alpha.shares(rows, "guarded")[0] == pytest.approx(share)
        maps = [
            [np.maximum(one, 0) for one in rows.column("coarse", word)]
            for word in ("exact", "grad_cam_pp")
        ]
        same = [np.corrcoef(a, b)[0, 1] for a, b in zip(*maps, strict=True)]
        np.testing.assert_allclose(exact_alpha.alike(rows), same)
    assert exact_alpha.alike(found["ResNet-20"]) == pytest.approx(1), (
        "nothing bends behind its layer"
    )
    assert exact_alpha.shares(found["Swin"], "bent")[0] > 50, "a layer norm lies behind it"
    assert notes["Swin"]["ratio"] > 0
