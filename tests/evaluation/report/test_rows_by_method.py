import numpy as np
import pyarrow as pa
import pytest

from helpers.made_up_run import made, replaced, with_rows
from sightline.errors import StoreError
from sightline.evaluation.report.rows_by_method import RowsByMethod, numbers


@pytest.fixture(scope="module")
def results():
    return made(8, broken=(3,), pictures=False)


def test_a_line_is_an_image_whatever_the_order_of_the_rows(results):
    order = np.random.default_rng(0).permutation(results.rows.num_rows)
    one, other = RowsByMethod(results), RowsByMethod(with_rows(results, results.rows.take(order)))
    for name in ("average_drop", "loc"):
        for method, values in one.measured(name).items():
            np.testing.assert_array_equal(values, other.measured(name)[method])
    assert (
        one.all == other.all == ["grad_cam", "grad_cam_pp", "grad_cam_plus", "fake_cam", "random"]
    )
    assert one.methods == ["grad_cam", "grad_cam_pp", "grad_cam_plus"]


def test_a_failed_row_measures_nothing_and_takes_its_words_from_nobody(results):
    by_method = RowsByMethod(results)
    assert np.isnan(by_method.measured("average_drop")["random"][3])
    assert np.isnan(by_method.measured("loc")["random"][3]).all()
    assert by_method.failed["random"].tolist() == [False] * 3 + [True] + [False] * 4
    assert by_method.codes("target")[3] == -1


def test_a_row_that_failed_belongs_to_its_images_class(results):
    rows = results.rows
    errors = rows["error"].to_pylist()
    names = rows["target_name"].to_pylist()
    kind = names[5]
    errors[5], names[5] = "lost", None  # image 1, grad_cam
    rows = replaced(replaced(rows, "error", errors), "target_name", names)
    by_method = RowsByMethod(with_rows(results, rows))
    places = dict(by_method.groups("class"))[kind]
    assert 1 in places["grad_cam"]
    assert 3 not in np.concatenate(list(places.values()))


def test_groups_are_ordered_by_size_then_name(results):
    sizes = [len(places["random"]) for _, places in RowsByMethod(results).groups("class")]
    assert sizes == sorted(sizes, reverse=True)
    tags = dict(RowsByMethod(results).groups("tag"))
    assert sum(len(places["grad_cam"]) for places in tags.values()) == 8, (
        "each image has one tag, the broken one too"
    )
    assert [name for name, _ in RowsByMethod(results).groups("source")] == ["made_up"]


def test_an_image_may_be_in_several_groups(results):
    rows = replaced(
        results.rows,
        "tags",
        [["a", "b"] if item < 2 else [] for item in results.rows["item"].to_pylist()],
    )
    groups = dict(RowsByMethod(with_rows(results, rows)).groups("tag"))
    assert {name: places["random"].tolist() for name, places in groups.items()} == {
        "a": [0, 1],
        "b": [0, 1],
    }


def test_no_such_breakdown(results):
    with pytest.raises(StoreError, match=r"got 'clas'\. Near names: 'class'"):
        RowsByMethod(results).groups("clas")
    with pytest.raises(StoreError, match="got 'full_score'"):
        RowsByMethod(results).groups("full_score")


def test_rows_of_several_protocols_are_refused(results):
    some = [
        "other" if k == 0 else results.run["protocol_digest"] for k in range(results.rows.num_rows)
    ]
    mixed = with_rows(results, replaced(results.rows, "protocol", some))
    with pytest.raises(
        StoreError, match=r"one protocol.*other \(1 rows\).*report each folder by itself"
    ):
        RowsByMethod(mixed)
    foreign = with_rows(
        results, replaced(results.rows, "protocol", ["other"] * results.rows.num_rows)
    )
    with pytest.raises(
        StoreError, match=f"one protocol, {results.run['protocol_digest']}; came other"
    ):
        RowsByMethod(foreign)


def test_rows_that_are_there_twice_are_refused(results):
    twice = with_rows(results, pa.concat_tables([results.rows, results.rows.slice(0, 1)]))
    with pytest.raises(StoreError, match="grad_cam has 9 rows for 8 images"):
        RowsByMethod(twice)


def test_other_tables_are_refused(results):
    with pytest.raises(StoreError, match="no column 'error'"):
        RowsByMethod(with_rows(results, results.rows.drop_columns(["error"])))
    with pytest.raises(StoreError, match="there are none"):
        RowsByMethod(with_rows(results, results.rows.slice(0, 0)))


def test_lists_of_several_lengths_are_refused():
    with pytest.raises(StoreError, match="'curve'; came 1, 2"):
        numbers(pa.chunked_array([[[1.0, 2.0], [1.0]]]), "curve")


def test_numbers_of_all_kinds():
    assert numbers(pa.chunked_array([[1, None], [3, 4]]), "n").tolist()[2:] == [3.0, 4.0]
    empty = numbers(pa.chunked_array([pa.array([None, []], pa.list_(pa.float32()))]), "n")
    assert empty.shape == (2, 1)
    assert np.isnan(empty).all()
    part = numbers(pa.chunked_array([pa.array([[1.0, None], None], pa.list_(pa.float32()))]), "n")
    assert part[0, 0] == 1.0
    assert np.isnan(part).sum() == 3
