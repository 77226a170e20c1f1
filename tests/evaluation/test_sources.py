"""Two sources, one interface: what is still to do, how long it is, what run.json says of it."""

import logging
from dataclasses import replace

import pytest
import torch

from helpers.small_runs import CLASSES, PREPROCESS
from sightline.datasets import open_data
from sightline.errors import DataError
from sightline.evaluation.sources import (
    BatchSource,
    DatasetSource,
    Division,
    Source,
    check_same,
    opened,
    output_count,
    source_of,
)
from sightline.evaluation.store import MemoryStore
from sightline.metrics import METRICS
from sightline.metrics.metric import about
from sightline.protocol import Protocol


def batches(count=3):
    return [torch.full((2, 3, 8, 8), k / 10) for k in range(count)]


def parts_of(source, done=()):
    return [(batch.part, len(batch.items), batch.last) for batch in source.batches(set(done))]


def test_a_data_set_has_the_parts_of_its_shard_that_are_not_done(folder):
    whole = source_of(open_data(folder), PREPROCESS, Division(part_size=5, batch_size=3))
    assert isinstance(whole, DatasetSource)
    assert (whole.unit, whole.sized, whole.batch_size) == ("image", True, 3)
    parts = [(0, 3, False), (0, 2, True), (1, 3, False), (1, 2, True), (2, 2, True)]
    assert parts_of(whole) == parts
    assert parts_of(whole, done=[0, 2]) == parts[2:4]
    assert (whole.length(set()), whole.length({2}), whole.length({0, 1})) == (12, 10, 2)
    second = source_of(open_data(folder), PREPROCESS, Division(5, 3, shard=(2, 2)))
    assert parts_of(second) == parts[2:4]


def test_batches_all_come_past_also_those_that_are_done():
    source = source_of(batches(), PREPROCESS, Division(shard=(1, 2)))
    assert isinstance(source, BatchSource)
    assert (source.unit, source.sized) == ("batch", False)
    assert parts_of(source, done=[0]) == parts_of(source) == [(0, 2, True), (2, 2, True)]
    assert source.length(set()) == 3
    assert source_of(iter(batches()), PREPROCESS).length(set()) is None


def test_both_are_sources_and_say_what_they_are_made_of(folder):
    some, own = source_of(open_data(folder), PREPROCESS), source_of(batches(), PREPROCESS)
    assert isinstance(some, Source)
    assert isinstance(own, Source)
    said = some.describe()
    assert (said["name"], said["kind"], said["items"]) == ("data", "labelled", 12)
    assert said["path"] == str(folder)
    assert len(said["records"]) == 12  # twelve letters
    assert own.describe() == {"name": "batches", "kind": "batches", "path": None, "items": None}
    assert [item.number for item in own.items()] == list(range(6))
    assert [item.name for item in some.items()][:1] == [open_data(folder)[0].name]


def test_what_is_neither_and_a_limit_of_batches_are_refused(folder):
    assert len(opened(folder, 4)) == 4
    assert opened(batches(), None)[0].shape == (2, 3, 8, 8)
    for data, came in ((torch.rand(1, 3, 8, 8), "Tensor"), (7, "int")):
        with pytest.raises(DataError, match=f"an iterable of batches; got {came}"):
            opened(data, None)
    with pytest.raises(DataError, match="limit=3 with a data set"):
        opened(batches(), 3)


def test_classes_that_nothing_needs_are_passed_over_and_the_log_says_so(model, folder, caplog):
    other = replace(open_data(folder), classes=("lion", "whale", "yak"))
    drop, loc = ([about(METRICS[name])] for name in ("average_drop", "loc"))
    source = source_of(other, PREPROCESS)
    with caplog.at_level(logging.DEBUG, logger="sightline.evaluation.sources"):
        source.match_classes(model, drop, Protocol(), None)
    assert "are not needed" in caplog.text
    assert {item.label for item in source.items()} == {None}
    with pytest.raises(DataError):
        source.match_classes(model, loc, Protocol(), None)
    named = source_of(open_data(folder), PREPROCESS)
    named.match_classes(model, loc, Protocol(), None)
    assert {item.label for item in named.items()} == set(range(len(CLASSES)))


def test_the_number_of_outputs_is_the_cards_or_the_models_own(model):
    assert output_count(model, []) == 3
    items = list(source_of(batches(1), PREPROCESS).items())
    head = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    assert output_count(head.append(torch.nn.Linear(3, 5)), items) == 5
    assert output_count(head[:2].append(torch.nn.Linear(3, 1)), items) == 2  # against and for
    assert output_count(head, []) is None


def test_a_batch_that_is_done_has_to_be_the_same_again():
    store = MemoryStore({"methods": ["cam"]})
    (batch,) = source_of(batches(1), PREPROCESS).batches(set())
    store.write(0, [{"item": one.number, "source": one.source} for one in batch.items], [])
    check_same(batch, store)
    (other,) = source_of([batches()[2]], PREPROCESS).batches(set())
    with pytest.raises(DataError, match="batch 0 holds other images now"):
        check_same(other, store)
