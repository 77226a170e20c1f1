"""What was recorded is handed out for other numbers of images, and what is read is seen."""

import pytest
import torch

from sightline.surgery.rerun.recorded import (
    ReadTracker,
    RecordedOutput,
    ReplayMismatch,
    compare_outputs,
)


def recorded(value, twice):
    found = RecordedOutput.of(value)
    found.learn_axes(RecordedOutput.of(twice))
    return found


def rows(n, width=3):
    return torch.arange(n * width, dtype=torch.float32).view(n, width)


def test_what_grows_with_the_batch_comes_m_times_over():
    found = recorded({"x": rows(2), "n": 7}, {"x": rows(4), "n": 7})
    assert found.axes == [None, 0] or found.axes == [0, None]
    handed = found.times(3, copied=False)
    assert torch.equal(handed["x"], rows(2).repeat(3, 1))
    assert handed["n"] == 7


def test_the_batch_may_be_any_axis_and_several_rows_an_image():
    found = recorded(torch.ones(5, 2), torch.ones(5, 4))
    assert found.times(3, copied=False).shape == (5, 6)
    windows = recorded(torch.ones(8, 3), torch.ones(16, 3))
    assert windows.times(3, copied=False).shape == (24, 3)


def test_of_one_image_nothing_is_copied_unless_asked():
    found = recorded(rows(1), rows(2))
    handed = found.times(4, copied=False)
    assert handed.shape == (4, 3)
    assert handed.data_ptr() == found.parts[0].data_ptr()
    assert found.times(4, copied=True).data_ptr() != found.parts[0].data_ptr()


def test_a_table_that_knows_no_images_stays():
    found = recorded((rows(2), rows(5)), (rows(4), rows(5)))
    first, table = found.times(3, copied=False)
    assert first.shape == (6, 3)
    assert torch.equal(table, rows(5))


def test_what_was_recorded_is_a_copy():
    value = rows(2)
    found = recorded(value, rows(4))
    value.zero_()
    assert torch.equal(found.value(), rows(2))


def test_what_nobody_reads_holds_no_numbers():
    found = recorded(rows(2), rows(4))
    found.read = [False]
    handed = found.times(3, copied=False)
    assert handed.shape == (6, 3)
    assert handed.isnan().all()


@pytest.mark.parametrize(
    ("one", "two", "why"),
    [
        (rows(2), (rows(4),), "other things"),
        (rows(2), rows(5), "along one axis"),
        (torch.ones(2, 2), torch.ones(4, 4), "along one axis"),
        (torch.ones(2, 2), torch.ones(4), "other axes"),
        (2, 4, "depends on the batch"),
        (2, torch.ones(2), "depends on the batch"),
    ],
)
def test_what_cannot_be_handed_out_says_why(one, two, why):
    with pytest.raises(ReplayMismatch, match=why):
        recorded(one, two)


def test_reading_is_seen_also_through_a_view():
    one, two = recorded(rows(2), rows(4)), recorded(rows(2), rows(4))
    with ReadTracker() as tracker:
        with tracker.paused():
            handed = [found.times(3, copied=False) for found in (one, two)]
            for found, value in zip((one, two), handed, strict=True):
                tracker.follow(found, value)
        _ = handed[0][1:].exp()
    assert id(one.parts[0]) in tracker.seen
    assert id(two.parts[0]) not in tracker.seen


def three(truth):
    """Three versions of which the first two are the truth."""
    return torch.cat([truth, truth[len(truth) // 2 :]])


def test_outputs_are_compared_to_rounding():
    truth = rows(4)
    compare_outputs((three(truth), 1), (truth, 2), images=2)
    compare_outputs((three(truth) * (1 + 1e-6), 1), (truth, 1), images=2)
    with pytest.raises(ReplayMismatch, match="not those of a full run"):
        compare_outputs((three(truth) * 1.001, 1), (truth, 1), images=2)
    with pytest.raises(ReplayMismatch, match="other things"):
        compare_outputs([three(truth), 1], (truth, 1), images=2)
    with pytest.raises(ReplayMismatch, match="not those of a full run"):
        compare_outputs(three(truth)[:, :2], truth, images=2)
