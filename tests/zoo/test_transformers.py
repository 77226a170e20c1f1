"""Hugging Face transformers: called with keyword inputs, answering with dataclasses, and no layer
named.
"""

from pathlib import Path

import pytest
import torch

from helpers.random_weights import NoDrawing, assert_untouched, lively, noise, photographed
from sightline import explain
from sightline.errors import ImageError
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.choose import layers
from sightline.surgery.layers.token_grid import survey_layers

tr = pytest.importorskip("transformers")

from zoo.timm_table import SMALLEST  # noqa: E402
from zoo.transformers_table import CASES, EXCEPTIONS, small  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def build(kind, config):
    torch.manual_seed(0)
    with NoDrawing():
        return lively(getattr(tr, kind)(config()))


def inputs(case):
    shape = (1, case.size[0], 3, *case.size[1:]) if len(case.size) == 3 else (1, 3, *case.size)
    return {case.key: noise(*shape), **case.others}


@pytest.mark.parametrize("name", CASES)
def test_a_finite_map_that_is_not_constant_from_a_late_layer(name):
    case = CASES[name]
    model, given = build(case.kind, case.config), inputs(case)
    with torch.no_grad():
        model(**given)  # at its first run a model of this library hangs up hooks of its own
    before = photographed(model)
    e = explain(model, given, case.target, place="unchecked")
    assert_untouched(model, before)
    assert tuple(e.coarse.shape) == (1, *case.grid)
    assert tuple(e.maps.shape) == (1, *case.size)
    assert e.coarse.isfinite().all()
    assert e.coarse.std() > 1e-4 * e.coarse.abs().max() > 0
    names = [row.name for row in survey_layers(Given.of(model, given))[0]]
    assert names.index(e.layer) >= len(names) / 2  # of the feature maps, in the order of running


def test_at_least_thirty_architectures():
    assert len({case.kind for case in CASES.values()}) >= 30


def test_what_cannot_be_explained_says_so():
    """Each by name in `EXCEPTIONS`."""
    gpt = tr.ImageGPTConfig(n_positions=64, n_embd=32, n_layer=2, n_head=2, num_labels=7)
    with pytest.raises(ImageError, match="Expected an input with spatial axes"):
        explain(
            build("ImageGPTForImageClassification", lambda: gpt),
            {"input_ids": torch.arange(64)[None]},
        )
    assert set(EXCEPTIONS) == {"ImageGPT", "ViT-MAE, pretraining", "DiNAT"}
    page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert all(f"\n| {name} | " in page for name in EXCEPTIONS)
    assert f"{len(SMALLEST)} families" in page
    assert f"{len(CASES)} networks" in page


def test_tokens_place_by_place_each_through_all_frames():
    """The last layer of TimeSformer that seems to matter has no order; the block before it has."""
    model = build("TimesformerForVideoClassification", small("TimesformerConfig", num_frames=4))
    e = explain(model, {"pixel_values": noise(1, 4, 3, 64, 64)})
    assert e.layer == "timesformer.encoder.layer.1"
    assert "'timesformer.encoder.layer.2.temporal_dense' do not lie on this" in e.layer_reason
    said = e.provenance["layer"]
    assert said["grid"] == {"kind": "tokens", "size": [4, 8, 8], "prefix": 1, "order": [1, 2, 0]}
    assert said["place"]["outcome"] == "confirmed"
    assert e.status[0].ok


def test_detection_tokens_behind_the_grid_are_left_aside():
    """YOLOS: one class token, 64 places, ten detection tokens. By their number alone the grid would
    begin at 11.
    """
    case = CASES["yolos"]
    model = build(case.kind, case.config)
    (row,) = [
        row
        for row in layers(model, inputs(case))
        if row.name == "vit.encoder.layer.2.layernorm_before"
    ]
    assert (row.shape[1], row.grid.prefix, row.grid.size) == (75, 1, (8, 8))


def test_queries_are_no_places():
    """DETR's ten queries could be a class token and a grid of 3 x 3."""
    case = CASES["detr"]
    rows = layers(build(case.kind, case.config), inputs(case))
    assert "model.encoder" in [row.name for row in rows]
    assert not [row.name for row in rows if ".decoder" in row.name and row.shape[1] == 10]
    assert "model.position_embedding" not in [row.name for row in rows]


def test_pictures_cut_into_patches_have_a_map_of_patches():
    """Native resolution: 6 rows of 10 patches, and four that only fill up."""
    half = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "patch_size": 8,
    }
    model = build(
        "Siglip2ForImageClassification",
        lambda: tr.Siglip2Config(vision_config={**half, "num_patches": 64}, num_labels=7),
    )
    real = (torch.arange(64) < 60).long()[None]
    given = {
        "pixel_values": noise(1, 64, 192),
        "pixel_attention_mask": real,
        "spatial_shapes": torch.tensor([[6, 10]]),
    }
    e = explain(model, given)
    assert tuple(e.coarse.shape) == (1, 6, 10)
    assert e.coarse.std() > 0


def test_a_question_about_a_pooled_token_is_asked_before_the_last_attention():
    """The layer follows from what is asked: all tokens matter to one score, the class token alone
    to the other.
    """
    case = CASES["clip vision"]
    model = build(case.kind, case.config)
    every = explain(model, inputs(case), lambda out: out.last_hidden_state[..., 0].sum(1))
    first = explain(model, inputs(case), lambda out: out.last_hidden_state[:, 0, 0])
    assert every.layer == "encoder"
    assert first.layer == "encoder.layers.2.layer_norm1"


@pytest.mark.parametrize("name", ["levit", "levit, distilled"])
def test_the_stages_of_a_levit_are_found_and_not_its_patch_embedding(name):
    case = CASES[name]
    rows = layers(build(case.kind, case.config), inputs(case))
    (chosen,) = [row for row in rows if row.chosen]
    assert chosen.grid.kind == "tokens"
    assert any("stages.2" in inner for inner in chosen.names)
