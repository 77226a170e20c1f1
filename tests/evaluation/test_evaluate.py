"""How a run ends: with rows, with none because a shard has none, with an error."""

import pytest
import torch

from helpers.small_runs import run, same
from sightline.errors import DataError


@pytest.mark.parametrize("data", [[], iter([])])
def test_no_batch_at_all_is_said(model, data, tmp_path):
    with pytest.raises(DataError, match="at least one batch"):
        run(model, data, ["grad_cam"])


def test_a_shard_that_has_nothing_to_do_has_a_folder_without_rows(model, folder, tmp_path):
    asked = {"part_size": 8, "shard": (3, 3)}
    found = run(model, folder, ["grad_cam"], "average_drop", out=tmp_path / "out", **asked)
    assert len(found) == 0
    assert found.run["methods"] == ["grad_cam"]
    with pytest.raises(DataError, match="at least one batch"):
        run(model, folder, ["grad_cam"], "average_drop", **asked)


def test_with_a_folder_and_without_one_the_rows_are_the_same(model, folder, tmp_path):
    asked = {"methods": ["grad_cam", "edge"], "metrics": "average_drop", "part_size": 5}
    kept = run(model, folder, out=tmp_path / "out", **asked)
    same(kept, run(model, folder, **asked))
    assert kept.views.num_rows == 11  # one picture is broken


def test_a_spent_generator_is_no_error_where_rows_were_kept(model, tmp_path):
    batches = [torch.rand(2, 3, 16, 16)]
    first = run(model, batches, ["grad_cam"], "average_drop", out=tmp_path / "out")
    same(first, run(model, iter([]), ["grad_cam"], "average_drop", out=tmp_path / "out"))
