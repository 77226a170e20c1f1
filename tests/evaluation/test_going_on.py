"""A run that is stopped goes on; another one in its folder is refused."""

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from PIL import Image

from helpers.small_runs import QUICK, run, same
from sightline.errors import DataError, MethodError, StoreError
from sightline.evaluation import store as stored


def grown(by=1.0):
    return lambda gradients: gradients.mean((2, 3), keepdim=True) * by


def test_an_interrupted_run_goes_on_and_a_finished_one_needs_no_model(
    model, folder, tmp_path, monkeypatch
):
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
        model,
        folder,
        ["grad_cam", "random"],
        out=tmp_path / "halves",
        batch_size=2,
        part_size=4,
        progress=done.append,
    )
    assert sum(done) == 8
    same(whole, again)
    monkeypatch.setattr(
        import_module("sightline.evaluation.rows"), "rows_of", None
    )  # nothing is left to measure
    same(whole, run(model, folder, **asked, out=tmp_path / "halves"))


@pytest.mark.slow
def test_four_shards_in_any_order_are_one_run(model, folder, tmp_path):
    asked = {
        "methods": ["grad_cam", "centre"],
        "metrics": "faithfulness,curves",
        "batch_size": 2,
        "part_size": 2,
    }
    whole = run(model, folder, out=tmp_path / "whole", **asked)
    folders = [tmp_path / f"shard{k}" for k in (3, 1, 4, 2)]
    for k, out in zip((3, 1, 4, 2), folders, strict=True):
        run(model, folder, out=out, shard=(k, 4), **asked)
    same(whole, stored.read(folders))
    same(whole, stored.read(folders[::-1]))


def test_workers_read_the_same_pictures(model, folder):
    same(run(model, folder, ["grad_cam"], workers=2), run(model, folder, ["grad_cam"]))


def test_another_run_in_the_same_folder_is_refused(model, folder, tmp_path):
    run(model, folder, ["grad_cam"], out=tmp_path / "out")
    with pytest.raises(
        StoreError, match=r"methods is \['grad_cam'\] there and \['layer_cam'\] here"
    ):
        run(model, folder, ["layer_cam"], out=tmp_path / "out")
    with torch.no_grad():
        model[-1].bias += 1
    with pytest.raises(StoreError, match=r"model\.weights is \w+ there and \w+ here"):
        run(model, folder, ["grad_cam"], out=tmp_path / "out")
    with pytest.raises(StoreError, match=r"protocol\.steps is 3 there and 4 here"):
        run(model, folder, ["grad_cam"], out=tmp_path / "out", protocol=replace(QUICK, steps=4))


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


def test_a_full_disk_is_said_and_earlier_rows_are_safe(model, folder, tmp_path, monkeypatch):
    import errno

    write = stored.write_atomically

    def full(path, content, *, synced):
        if path.name == "00002.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content, synced=synced)

    monkeypatch.setattr(stored, "write_atomically", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run(
            model,
            folder,
            ["grad_cam"],
            "average_drop",
            out=tmp_path / "out",
            batch_size=4,
            part_size=4,
        )
    monkeypatch.undo()
    assert stored.read(tmp_path / "out").column("item") == list(range(8))


def test_two_functions_of_one_name_are_refused_and_one_function_twice_is_once(model, folder):
    with pytest.raises(MethodError, match="two are called '<lambda>'"):
        run(model, folder, [grown(1.0), grown(2.0)])
    one = grown(1.0)
    assert set(run(model, folder, [one, one, "grad_cam", "Grad-CAM"]).column("method")) == {
        "<lambda>",
        "grad_cam",
    }
