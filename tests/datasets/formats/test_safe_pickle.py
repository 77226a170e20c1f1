"""Pickles of which no code is run: what comes back, what is refused, what is broken."""

import pickle

import numpy as np
import pytest

from sightline.datasets.formats.safe_pickle import load
from sightline.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


class _Malicious:
    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_of_a_malicious_pickle_is_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    for bad in (
        _Malicious(exec, f"open({str(trace)!r}, 'w').close()"),
        _Malicious(open, str(trace), "w"),
        _Malicious(eval, "1"),
        _Malicious(getattr, "a", "upper"),
    ):
        (tmp_path / "a").write_bytes(pickle.dumps({b"data": bad}, protocol=protocol))
        with pytest.raises(
            DataError,
            match=r"this one asks for .*which could run code or break memory, and nothing of it",
        ):
            load(tmp_path / "a")
        assert not trace.exists()


def test_the_test_above_can_fail(tmp_path):
    trace = tmp_path / "trace"
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(_Malicious(exec, f"open({str(trace)!r}, 'w').close()")) + b"")[
            "a"
        ]
    assert trace.exists()


def test_arrays_of_python_objects_are_refused(tmp_path):
    for array in (
        np.array([{}, []], dtype=object),
        np.zeros(2, dtype=[("a", "i4")]),
        np.array(["2020"], "M8[Y]"),
    ):
        (tmp_path / "a").write_bytes(pickle.dumps({"data": array}))
        with pytest.raises(DataError, match=r"asks for numpy\.dtype"):
            load(tmp_path / "a")


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_arrays_come_back(tmp_path, protocol):
    content = {
        "text": "é", "bytes": b"\xff\x00", "list": [1, (2.5, None, True)],
        "numbers": np.arange(6, dtype=">i4").reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "scalar": np.float32(1.5),
        "empty": np.zeros((0, 3)),
    }  # fmt: skip
    (tmp_path / "a").write_bytes(pickle.dumps(content, protocol=protocol))
    back = load(tmp_path / "a")
    assert (back["text"], back["bytes"], back["list"]) == ("é", b"\xff\x00", [1, (2.5, None, True)])
    for key in ("numbers", "columns", "empty"):
        assert np.array_equal(back[key], content[key])
        assert back[key].dtype == content[key].dtype
    assert back["scalar"] == 1.5


def test_pickles_that_are_broken(tmp_path):
    whole = pickle.dumps({"data": PIXELS}, protocol=2)
    for content in (b"", b"no pickle", whole[:500], whole.replace(b"u1", b"u8")):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(DataError, match="expected a pickle of arrays"):
            load(tmp_path / "a")


def test_a_broken_pickle_does_not_ask_for_all_memory(tmp_path):
    (tmp_path / "a").write_bytes(
        b"\x80\x02}r\xff\xff\xff\x7f."
    )  # an empty dict, noted as the two-billionth value
    assert load(tmp_path / "a") == {}  # the reader in C makes room for two billion
