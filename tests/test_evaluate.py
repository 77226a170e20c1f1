"""A data set in, a row for each image and method out: whole, in order, the same whatever way it was run."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nets import convnet
from sightline import Card, Preprocess, describe, evaluate, explain
from sightline import store as stored
from sightline.errors import DataError, MethodError, StoreError, TargetError
from sightline.identity import weights_digest
from sightline.measure import kept_confidence
from sightline.metrics import average_drop, metric
from sightline.protocol import Protocol

PREPROCESS = Preprocess(resize=16, crop=(16, 16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
CLASSES = ("cat", "dog", "emu")
QUICK = Protocol(steps=3, thetas=3, patch=8, stride=8, samples=1, road_percentages=(50,))


@pytest.fixture
def model():
    net = convnet(classes=3)
    describe(net, Card("three", None, PREPROCESS, CLASSES, "a test"))
    return net


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures in three folders; one of them is broken."""
    rng = np.random.default_rng(0)
    for k in range(12):
        place = tmp_path / "data" / CLASSES[k % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(place / f"{k:02}.png")
    (tmp_path / "data" / "dog" / "04.png").write_bytes(b"\x89PNG broken")
    return tmp_path / "data"


def run(model, data, *args, **options):
    options.setdefault("progress", False)
    options.setdefault("protocol", QUICK)
    return evaluate(model, data, *args, **options)


def same(one, other):
    """Bit for bit, whatever folder they lie in."""
    drop = [name for name in ("source",) if name in one.rows.column_names]
    assert one.rows.drop_columns(drop).equals(other.rows.drop_columns(drop))
    assert len(one.rows) == len(other.rows)


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
    lengths = {name: {len(v) for v in found.column(name) if isinstance(v, list)} for name in found.run["metrics"]}
    assert lengths["loc"] == {20}
    assert lengths["randomisation"] == {5}
    assert lengths["adcc"] == {3}
    assert all(v is None or math.isfinite(v) for v in found.column("insertion"))
    assert {tuple(p) for p in found.column("occluded_fraction", "grad_cam") if p} != set()


def test_an_interrupted_run_goes_on_and_a_finished_one_needs_no_model(model, folder, tmp_path, monkeypatch):
    asked = {"methods": ["grad_cam", "random"], "batch_size": 2, "part_size": 4}
    whole = run(model, folder, **asked, out=tmp_path / "whole")

    class StopError(Exception):
        pass

    count = iter(range(3))

    def interrupt(n):
        if next(count) == 2:  # in the middle of the second part
            raise StopError

    with pytest.raises(StopError):
        run(
            model,
            folder,
            ["grad_cam", "random"],
            out=tmp_path / "halves",
            batch_size=2,
            part_size=4,
            progress=interrupt,
        )
    assert len(stored.read(tmp_path / "halves")) == 8
    done = []
    again = run(
        model, folder, ["grad_cam", "random"], out=tmp_path / "halves", batch_size=2, part_size=4, progress=done.append
    )
    assert sum(done) == 8
    same(whole, again)
    monkeypatch.setattr(sys.modules["sightline.evaluate"], "rows_of", None)  # nothing is left to measure
    same(whole, run(model, folder, **asked, out=tmp_path / "halves"))


def test_four_shards_in_any_order_are_one_run(model, folder, tmp_path):
    asked = {"methods": ["grad_cam", "centre"], "metrics": "faithfulness,curves", "batch_size": 2, "part_size": 2}
    whole = run(model, folder, out=tmp_path / "whole", **asked)
    folders = [tmp_path / f"shard{k}" for k in (3, 1, 4, 2)]
    for k, out in zip((3, 1, 4, 2), folders, strict=True):
        run(model, folder, out=out, shard=(k, 4), **asked)
    same(whole, stored.read(folders))
    same(whole, stored.read(folders[::-1]))


def test_another_run_in_the_same_folder_is_refused(model, folder, tmp_path):
    run(model, folder, ["grad_cam"], out=tmp_path / "out")
    with pytest.raises(StoreError, match=r"methods is \['grad_cam'\] there and \['layer_cam'\] here"):
        run(model, folder, ["layer_cam"], out=tmp_path / "out")
    with torch.no_grad():
        model[-1].bias += 1
    with pytest.raises(StoreError, match=r"model\.weights is \w+ there and \w+ here"):
        run(model, folder, ["grad_cam"], out=tmp_path / "out")
    with pytest.raises(StoreError, match=r"protocol\.steps is 3 there and 4 here"):
        run(model, folder, ["grad_cam"], out=tmp_path / "out", protocol=replace(QUICK, steps=4))


def test_workers_read_the_same_pictures(model, folder):
    same(run(model, folder, ["grad_cam"], workers=2), run(model, folder, ["grad_cam"]))


def test_a_loader_of_batches_gives_the_same_numbers_as_the_folder(model, folder):
    from sightline.images import prepare

    paths = [p for p in sorted(folder.rglob("*.png"), key=lambda p: (p.parent.name, p.name)) if p.name != "04.png"]
    inputs = prepare(paths, PREPROCESS).inputs
    labels = torch.tensor([CLASSES.index(p.parent.name) for p in paths])
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=4)
    found = run(model, loader, ["grad_cam_pp"], "average_drop")
    want = [v for v in run(model, folder, ["grad_cam_pp"], "average_drop").column("average_drop") if v is not None]
    assert np.allclose(found.column("average_drop"), want, atol=1e-5)
    assert found.column("label") == labels.tolist()


def test_batches_in_a_mapping_bring_boxes_and_names(model):
    x = torch.rand(2, 3, 16, 16)
    batch = {"images": x, "labels": torch.tensor([1, 2]), "names": ["a", "b"],
             "boxes": [torch.tensor([[0, 0, 16, 16]]), torch.zeros(0, 4)]}  # fmt: skip
    found = run(
        model, [batch], ["grad_cam"], "energy_pointing_game,localisation_error", protocol=Protocol(explained="given")
    )
    assert found.column("image") == ["a", "b"]
    assert found.column("target") == [1, 2]
    assert found.column("energy_pointing_game") == [1.0, None]
    assert found.column("boxes") == [[[0, 0, 16, 16]], []]


def test_given_classes_are_explained_and_unknown_ones_are_told(model, folder):
    (folder / "yak").mkdir()
    Image.new("RGB", (20, 20)).save(folder / "yak" / "1.png")
    found = run(model, folder, ["grad_cam"], "average_drop", protocol=Protocol(explained="given"))
    rows = found.rows.to_pylist()
    assert all(row["target"] == row["label"] for row in rows if row["error"] is None)
    told = {row["image"]: row["error"] for row in rows if row["error"]}
    assert len(told) == 2
    assert any("'yak' is none of the model's" in error for error in told.values())


def test_classes_that_fit_none_of_the_model_s_are_an_error_where_they_matter(model, folder):
    describe(model, Card("three", None, PREPROCESS, ("x", "y", "z"), "a test"))
    assert len(run(model, folder, ["grad_cam"], "average_drop")) == 12  # nobody needs them
    with pytest.raises(DataError, match="cat"):
        run(model, folder, ["grad_cam"], "average_drop", protocol=Protocol(explained="given"))
    found = run(
        model, folder, ["grad_cam"], "average_drop", protocol=Protocol(explained="given"),
        classes={"cat": "x", "dog": 1, "emu": None},
    )  # fmt: skip
    assert [row["target"] for row in found.rows.to_pylist()][:5] == [0, 0, 0, 0, 1]


def test_pictures_without_classes_cannot_be_asked_where_things_are(model, folder):
    with pytest.raises(DataError, match=r"without classes\. Take faithfulness metrics"):
        run(model, folder / "cat", ["grad_cam"], "loc")


def test_a_limit_takes_records_evenly(model, folder):
    from sightline.datasets import open_data

    for data in (folder, open_data(folder)):
        found = run(model, data, ["grad_cam"], "average_drop", limit=3)
        assert found.column("label_name") == ["cat", "dog", "emu"]


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
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{k}.png")
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


def test_thumbnails_are_of_what_the_model_saw(model, folder):
    import io

    found = run(model, folder, ["grad_cam"], "average_drop", views=8)
    views = found.views.to_pylist()
    assert [view["item"] for view in views] == [i for i in range(12) if found.column("error")[i] is None]
    assert Image.open(io.BytesIO(views[0]["jpeg"])).size == (8, 8)
    assert run(model, folder, ["grad_cam"], "average_drop", views=0).views.num_rows == 0


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"methods": "grad_camm"}, MethodError, "grad_cam"),
        ({"methods": "fake_can"}, MethodError, "'fake_cam'"),
        ({"methods": ["edge"]}, MethodError, "Controls explain nothing by themselves"),
        ({"metrics": "averag_drop"}, MethodError, "'average_drop'"),
        ({"metrics": []}, MethodError, "at least one metric"),
        ({"protocol": "papers"}, ValueError, "'paper'"),
        ({"shard": (3, 2)}, DataError, "a shard k of n"),
        ({"data": torch.rand(1, 3, 8, 8)}, DataError, r"A tensor is one batch: \[tensor\]"),
        ({"data": 3}, DataError, "an iterable of batches; got int"),
        ({"data": [[1, 2]]}, DataError, "Expected batches of model-ready float tensors"),
        ({"data": [(torch.rand(2, 3, 8, 8), torch.tensor([1]))]}, DataError, "a label for each of the 2 images; got 1"),
        ({"limit": 3}, DataError, "itertools.islice"),
        ({"data": "no/such/folder"}, DataError, "no/such/folder"),
    ],
)
def test_what_would_strike_every_image_is_an_error(model, options, error, said):
    options = {"data": [torch.rand(2, 3, 16, 16)], "methods": ["grad_cam"], "metrics": "average_drop"} | options
    with pytest.raises(error, match=said):
        run(model, options.pop("data"), options.pop("methods"), options.pop("metrics"), **options)


def test_a_label_out_of_range_is_a_row_with_its_error(model):
    found = run(model, [(torch.rand(2, 3, 16, 16), torch.tensor([0, 7]))], ["grad_cam"], "average_drop")
    assert found.column("error")[0] is None
    assert "a class from 0 to 2; the label is 7" in found.column("error")[1]


def test_a_full_disk_is_said_and_earlier_rows_are_safe(model, folder, tmp_path, monkeypatch):
    import errno

    write = stored._replace

    def full(path, content):
        if path.name == "00002.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(stored, "_replace", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run(model, folder, ["grad_cam"], "average_drop", out=tmp_path / "out", batch_size=4, part_size=4)
    monkeypatch.undo()
    assert stored.read(tmp_path / "out").column("item") == list(range(8))


def test_the_model_comes_out_as_it_went_in(model, folder):
    from nets import photograph

    model.train()
    before = json.dumps(sorted((k, str(v)) for k, v in photograph(model)["training"].items()))
    digest = weights_digest(model)
    run(model, folder, ["grad_cam", "guided_grad_cam"], "all")
    assert weights_digest(model) == digest
    assert json.dumps(sorted((k, str(v)) for k, v in photograph(model)["training"].items())) == before


def test_digests_tell_weights_apart():
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    assert weights_digest(one) != weights_digest(other)
    other.load_state_dict(one.state_dict())
    assert weights_digest(one) == weights_digest(other)


def test_the_metrics_are_the_functions_themselves():
    assert average_drop(torch.tensor([0.8]), torch.tensor([0.4])) == 0.5
    assert issubclass(TargetError, ValueError)


def test_a_bar_counts_the_images_of_a_folder_and_the_batches_of_a_loader(model, folder, monkeypatch):
    import click

    seen = []

    class Bar:
        def __init__(self, length, **_):
            seen.append([length])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def update(self, n):
            seen[-1].append(n)

    monkeypatch.setattr(click, "progressbar", Bar)
    evaluate(model, folder, ["grad_cam"], "average_drop", batch_size=8)
    evaluate(model, DataLoader(TensorDataset(torch.rand(5, 3, 16, 16)), batch_size=2), ["grad_cam"], "average_drop")
    evaluate(model, (one for one in [torch.rand(1, 3, 16, 16)]), ["grad_cam"], "average_drop")
    assert seen == [[12, 8, 4], [3, 1, 1, 1]]


def test_maps_larger_than_a_layer_s_are_kept_averaged(model):
    found = run(model, [torch.rand(1, 3, 128, 30)], ["gradient", "edge"], "average_drop")
    assert found.column("coarse_shape") == [[64, 30], [64, 30]]
    e = explain(model, found_input := torch.rand(1, 3, 128, 30), method="gradient")
    kept = run(model, [found_input], ["gradient"], "average_drop").column("coarse")[0]
    assert np.allclose(kept, e.coarse[0].view(64, 2, 30).mean(1).flatten().tolist(), atol=1e-6)


def test_what_rows_need_is_looked_for_before_anything_is_measured(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(sys.modules["sightline.evaluate"], "rows_of", None)
    with pytest.raises(StoreError, match=r"pip install 'sightline\[evaluate\]'"):
        run(model, [torch.rand(1, 3, 16, 16)], ["grad_cam"], "average_drop")


def test_pictures_that_were_exchanged_are_another_run(model, folder, tmp_path):
    run(model, folder, ["grad_cam"], out=tmp_path / "out")
    Image.new("RGB", (40, 40), "red").save(folder / "cat" / "00.png")
    with pytest.raises(StoreError, match=r"data\.records is \w+ there and \w+ here"):
        run(model, folder, ["grad_cam"], out=tmp_path / "out")
    (folder / "cat" / "00.png").rename(folder / "cat" / "zz.png")
    with pytest.raises(StoreError, match=r"data\.records"):
        run(model, folder, ["grad_cam"], out=tmp_path / "out")


def test_batches_that_were_exchanged_are_refused_and_the_same_ones_go_on(model, tmp_path):
    x = torch.rand(2, 3, 16, 16)
    first = run(model, [x, x / 2], ["grad_cam"], "average_drop", out=tmp_path)
    same(first, run(model, [x, x / 2], ["grad_cam"], "average_drop", out=tmp_path))
    more = run(model, [x, x / 2, x / 3], ["grad_cam"], "average_drop", out=tmp_path)
    assert more.column("item") == list(range(6))
    with pytest.raises(DataError, match="batch 1 holds other images now"):
        run(model, [x, x / 4], ["grad_cam"], "average_drop", out=tmp_path)


def test_a_run_that_failed_before_its_first_row_keeps_nobody_out(model, folder, tmp_path):
    with pytest.raises(LookupError):
        run(model, folder, ["grad_cam"], out=tmp_path, protocol=replace(QUICK, layer="nope"))
    assert len(run(model, folder, ["grad_cam"], out=tmp_path)) == 12


@pytest.mark.parametrize("data", [[], iter([])])
def test_no_batch_at_all_is_said(model, data, tmp_path):
    with pytest.raises(DataError, match="at least one batch"):
        run(model, data, ["grad_cam"])


def test_annotations_of_batches(model):
    x = torch.rand(3, 3, 16, 16)
    boxes = [torch.tensor([[2.0, 2, 8, 8]]), None, torch.tensor([[8.0, 8, 2, 2]])]
    batch = {"images": x, "labels": torch.tensor([0, 1, 2]), "boxes": boxes}
    found = run(model, [batch], ["grad_cam"], "energy_pointing_game", protocol=Protocol(explained="given"))
    assert found.column("boxes") == [[[2, 2, 8, 8]], None, None]
    assert found.column("error")[:2] == [None, None]
    assert "[left, top, right, bottom]" in found.column("error")[2]
    with pytest.raises(DataError, match="class numbers; got names such as 'cat'"):
        run(model, [(x, ["cat", "dog", "emu"])], ["grad_cam"])


def test_methods_of_one_s_own_and_of_pixel_space_are_measured_by_everything(model, folder):
    """Maps are made again for some metrics: of other pictures and of other weights, at the layer that was explained."""

    def flat_cam(activations):
        return torch.ones_like(activations[:, :, :1, :1])

    found = run(model, folder, ["gradient", flat_cam, "grad_cam"], "adcc,sanity", limit=3)
    assert found.column("error") == [None] * 9
    alone = run(model, folder, ["grad_cam"], "adcc,sanity", limit=3)
    for name in ("coherency", "sensitivity", "randomisation"):
        for one, other in zip(found.column(name, "grad_cam"), alone.column(name), strict=True):
            assert np.allclose(np.array(one, float), np.array(other, float), atol=2e-3, equal_nan=True), name
