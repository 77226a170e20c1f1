"""A row for each image and method, with the numbers that explaining and measuring give alone."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.small_runs import CLASSES, QUICK, run
from sightline import Card, Preprocess, describe, explain
from sightline.errors import TargetError
from sightline.evaluation.fingerprint import weights_digest
from sightline.explanation.confidence import kept_confidence
from sightline.metrics import average_drop, metric


def test_every_image_and_method_has_a_row_with_the_numbers_explain_gives(model, folder):
    found = run(model, folder, ["grad_cam", "grad_cam_pp", "edge"], "average_drop")
    assert len(found) == 36
    names = [p.name for p in sorted(folder.rglob("*.png"), key=lambda p: (p.parent.name, p.name))]
    assert [name.rpartition("/")[2] for name in found.column("image", "grad_cam")] == names
    assert found.column("method")[:3] == ["grad_cam", "grad_cam_pp", "edge"]
    for i, path in enumerate(sorted(folder.rglob("*.png"), key=lambda p: (p.parent.name, p.name))):
        row = found.rows.slice(3 * i + 1, 1).to_pylist()[0]
        if path.name == "04.png":
            assert "04.png" in row["error"]
            assert row["full_score"] is row["average_drop"] is row["coarse"] is None
            continue
        e = explain(model, path, method="grad_cam_pp")
        kept = float(kept_confidence(model, e))
        assert row["full_score"] == pytest.approx(float(e.probabilities), abs=1e-5)
        assert row["masked_score"] == pytest.approx(kept, abs=1e-5)
        want = max(0, float(e.probabilities) - kept) / float(e.probabilities)
        assert row["average_drop"] == pytest.approx(want, abs=1e-4)
        assert np.allclose(row["coarse"], e.coarse.flatten().tolist(), atol=1e-5)
        assert row["target_name"] == row["predicted_name"] == e.targets[0].name
        assert row["label_name"] == path.parent.name
        assert row["label"] == CLASSES.index(path.parent.name)
        assert (row["layer"], row["status"], row["error"]) == ("5", "ok", None)
        assert row["protocol"] == QUICK.digest


def test_all_metrics_at_once(model, folder):
    found = run(model, folder, ["grad_cam", "random"], "all")
    for name in found.run["metrics"]:
        assert name in found.rows.column_names
    lengths = {
        name: {len(v) for v in found.column(name) if isinstance(v, list)}
        for name in found.run["metrics"]
    }
    assert lengths["loc"] == {20}
    assert lengths["randomisation"] == {5}
    assert lengths["adcc"] == {3}
    assert all(v is None or math.isfinite(v) for v in found.column("insertion"))
    assert {tuple(p) for p in found.column("occluded_fraction", "grad_cam") if p} != set()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_models_of_other_types_are_measured(model, folder, dtype):
    want = run(model, folder, ["grad_cam_pp"], "faithfulness,curves").column("insertion")
    found = run(model.to(dtype), folder, ["grad_cam_pp"], "faithfulness,curves").column("insertion")
    for one, other in zip(want, found, strict=True):
        assert one is other is None or one == pytest.approx(other, abs=0.02)


def test_mixed_sizes_are_measured_side_by_side(model, tmp_path):
    describe(model, Card("any size", None, Preprocess(resize=None, crop=None), CLASSES, "a test"))
    rng = np.random.default_rng(0)
    for k, size in enumerate([(20, 16), (16, 20), (20, 16)]):
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(
            tmp_path / f"{k}.png"
        )
    found = run(model, tmp_path, ["grad_cam"], "average_drop")
    assert found.column("coarse_shape") == [[20, 16], [16, 20], [20, 16]]
    assert found.column("item") == [0, 1, 2]


def test_a_metric_and_a_method_of_one_s_own(model, folder):
    @metric(title="Half", group="faithfulness", higher_is_better=True)
    def half(full_score, image_map):
        return full_score / 2 * image_map.flatten(1).amax(1)

    def flat_cam(activations):
        return torch.ones_like(activations[:, :, :1, :1])

    found = run(model, folder, [flat_cam, "grad_cam"], [half, "average_drop"])
    assert set(found.column("method")) == {"flat_cam", "grad_cam"}
    for whole, part in zip(found.column("full_score"), found.column("half"), strict=True):
        assert part == (None if whole is None else pytest.approx(whole / 2))
    e = explain(model, torch.rand(1, 3, 16, 16), method=flat_cam)
    assert e.method == "flat_cam"


def test_methods_of_one_s_own_and_of_pixel_space_are_measured_by_everything(model, folder):
    """Maps are made again for some metrics: of other pictures and of other weights, at the layer
    that was explained.
    """

    def flat_cam(activations):
        return torch.ones_like(activations[:, :, :1, :1])

    found = run(model, folder, ["gradient", flat_cam, "grad_cam"], "adcc,sanity", limit=3)
    assert found.column("error") == [None] * 9
    alone = run(model, folder, ["grad_cam"], "adcc,sanity", limit=3)
    for name in ("coherency", "sensitivity", "randomisation"):
        for one, other in zip(found.column(name, "grad_cam"), alone.column(name), strict=True):
            assert np.allclose(
                np.array(one, float), np.array(other, float), atol=2e-3, equal_nan=True
            ), name


def test_thumbnails_are_of_what_the_model_saw(model, folder):
    import io

    found = run(model, folder, ["grad_cam"], "average_drop", views=8)
    views = found.views.to_pylist()
    assert [view["item"] for view in views] == [
        i for i in range(12) if found.column("error")[i] is None
    ]
    assert Image.open(io.BytesIO(views[0]["jpeg"])).size == (8, 8)
    assert run(model, folder, ["grad_cam"], "average_drop", views=0).views.num_rows == 0


def test_maps_larger_than_a_layer_s_are_kept_averaged(model):
    found = run(model, [torch.rand(1, 3, 128, 30)], ["gradient", "edge"], "average_drop")
    assert found.column("coarse_shape") == [[64, 30], [64, 30]]
    e = explain(model, found_input := torch.rand(1, 3, 128, 30), method="gradient")
    kept = run(model, [found_input], ["gradient"], "average_drop").column("coarse")[0]
    assert np.allclose(kept, e.coarse[0].view(64, 2, 30).mean(1).flatten().tolist(), atol=1e-6)


@pytest.mark.slow
def test_the_model_comes_out_as_it_went_in(model, folder):
    from helpers.nets import photograph

    model.train()
    before = json.dumps(sorted((k, str(v)) for k, v in photograph(model)["training"].items()))
    digest = weights_digest(model)
    run(model, folder, ["grad_cam", "guided_grad_cam"], "all")
    assert weights_digest(model) == digest
    assert (
        json.dumps(sorted((k, str(v)) for k, v in photograph(model)["training"].items())) == before
    )


def test_the_metrics_are_the_functions_themselves():
    assert average_drop(torch.tensor([0.8]), torch.tensor([0.4])) == 0.5
    assert issubclass(TargetError, ValueError)
