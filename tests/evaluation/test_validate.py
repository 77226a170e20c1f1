"""What would strike every image is said at once, before a model is touched or a picture is read."""

import sys
from importlib import import_module

import pytest
import torch

from helpers.small_runs import run
from sightline import evaluate
from sightline.datasets import open_data
from sightline.errors import DataError, MethodError, SightlineError, StoreError
from sightline.evaluation.validate import needs_truth, validated
from sightline.protocol import Protocol


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
        (
            {"data": [(torch.rand(2, 3, 8, 8), torch.tensor([1]))]},
            DataError,
            "a label for each of the 2 images; got 1",
        ),
        ({"limit": 3}, DataError, "itertools.islice"),
        ({"data": "no/such/folder"}, DataError, "no/such/folder"),
    ],
)
def test_what_would_strike_every_image_is_an_error(model, options, error, said):
    options = {
        "data": [torch.rand(2, 3, 16, 16)],
        "methods": ["grad_cam"],
        "metrics": "average_drop",
    } | options
    with pytest.raises(error, match=said):
        run(model, options.pop("data"), options.pop("methods"), options.pop("metrics"), **options)


def test_what_rows_need_is_looked_for_before_anything_is_measured(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(import_module("sightline.evaluation.rows"), "rows_of", None)
    with pytest.raises(StoreError, match=r"pip install 'sightline-cam\[evaluate\]'"):
        run(model, [torch.rand(1, 3, 16, 16)], ["grad_cam"], "average_drop")


@pytest.mark.parametrize(
    ("methods", "metrics", "options", "said"),
    [
        ("grad_camm", "faithfulness", {}, "'grad_cam'"),
        (["edge"], "faithfulness", {}, "Controls explain nothing by themselves"),
        ("grad_cam", "averag_drop", {}, "'average_drop'"),
        ("grad_cam", "faithfulness", {"shard": (0, 2)}, "a shard k of n"),
        (
            "grad_cam",
            "faithfulness",
            {"out": "file/below"},
            "expected a folder that can be written",
        ),
        ("grad_cam", "faithfulness", {"out": "broken"}, r"run\.json: expected what was run"),
    ],
)
def test_what_needs_no_model_is_looked_at_without_one(
    model, monkeypatch, tmp_path, methods, metrics, options, said
):
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    if "out" in options:
        options = {"out": tmp_path / options["out"]}
    with pytest.raises(SightlineError, match=said):
        validated(methods, metrics, **options)
    monkeypatch.setattr(
        import_module("sightline.evaluation.evaluate"), "supported_model", None
    )  # the model is not looked at
    with pytest.raises(SightlineError, match=said):
        evaluate(model, [torch.rand(2, 3, 16, 16)], methods, metrics, **options)


def test_what_is_asked_for_twice_is_done_once():
    known = validated(["grad_cam", "Grad-CAM", "edge", "edge"], "average_drop,faithfulness")
    assert (known.names, known.controls) == (["grad_cam"], ["edge"])
    assert [one.name for one in known.metrics].count("average_drop") == 1


def test_truth_is_missed_before_a_model_is_loaded(folder):
    pictures, classes = open_data(folder / "cat"), open_data(folder)
    drop, loc = (validated("grad_cam", name).metrics for name in ("average_drop", "loc"))
    assert not needs_truth(pictures, drop, Protocol())
    assert not needs_truth(classes, drop, Protocol())
    assert needs_truth(classes, loc, Protocol())
    assert needs_truth(classes, drop, Protocol(explained="given"))
    for metrics, protocol in ((loc, Protocol()), (drop, Protocol(explained="given"))):
        with pytest.raises(
            DataError, match=r"is read as 'folder', without classes\. Take faithfulness metrics"
        ):
            needs_truth(pictures, metrics, protocol)
