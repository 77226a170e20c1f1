"""A run that is killed again and again ends with the rows of one that was not: the same bits, none lost, none twice."""

import multiprocessing
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nets import convnet
from sightline import Card, Preprocess, describe, evaluate, store
from sightline.protocol import Protocol

KILLS = 20


def run(data: Path, out: Path, pause: float = 0.0, started=None):
    """In a process of its own, as a rule: a little slow, so that a kill strikes at any step."""
    if started is not None:
        started.set()
    torch.set_num_threads(1)
    model = convnet(classes=3)
    describe(model, Card("three", None, Preprocess(resize=16, crop=(16, 16)), ("a", "b", "c"), "a test"))
    protocol = Protocol(steps=3, thetas=3, samples=1)
    return evaluate(
        model, data, ["grad_cam_pp", "guided_grad_cam", "random"], "faithfulness,curves,sensitivity", protocol=protocol,
        out=out, batch_size=3, part_size=6, progress=lambda _: time.sleep(pause),
    )  # fmt: skip


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    place = tmp_path / "data"
    place.mkdir()
    for k in range(240):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(place / f"{k:03}.png")
    (place / "100.png").write_bytes(b"broken")
    return place


def test_killed_twenty_times(data, tmp_path):
    whole = run(data, tmp_path / "whole")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sightline", "torch._dynamo", "pyarrow.parquet", "nets"])
    chance, kills, before = random.Random(0), 0, set()
    while kills < KILLS:
        started = context.Event()
        child = context.Process(target=run, args=(data, tmp_path / "killed", 0.01, started))
        child.start()
        assert started.wait(60)
        child.join(chance.uniform(0.0, 0.5))
        assert child.is_alive(), "the run ended before it could be killed often enough: take more images"
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        kills += 1
        done = {int(path.stem) for path in (tmp_path / "killed" / "rows").glob("[0-9]*.parquet")}
        assert before <= done, "a part that was done is gone"
        before = done
    assert 0 < len(before) < 40, "nothing was interrupted"
    again = run(data, tmp_path / "killed")
    assert again.rows.equals(whole.rows)
    assert again.views.equals(whole.views)
    assert again.rows.num_rows == 240 * 3
    assert len(set(zip(again.column("item"), again.column("method"), strict=True))) == 240 * 3
    assert sum(error is not None for error in again.column("error")) == 3
    assert store.read(tmp_path / "killed").rows.equals(whole.rows)
