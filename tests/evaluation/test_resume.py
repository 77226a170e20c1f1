"""A run that is killed again and again ends with the rows of one that was not: the same bits, none
lost, none twice.
"""

import multiprocessing
import os
import random
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.nets import convnet
from sightline import Card, Preprocess, describe, evaluate
from sightline.evaluation import store
from sightline.protocol import Protocol

KILLS = 20


def run(data: Path, out: Path, killed: tuple[int, float] | None = None):
    """The run; it is killed from outside its main thread, so many seconds after so many batches, at
    any step of it.
    """
    torch.set_num_threads(1)
    left = [] if killed is None else [None] * killed[0]

    def strike():
        threading.Timer(killed[1], os.kill, (os.getpid(), signal.SIGKILL)).start()

    def progress(_):
        if left:
            left.pop()
            if not left:
                strike()

    if killed is not None and not left:
        strike()
    model = convnet(classes=3)
    describe(
        model, Card("three", None, Preprocess(resize=16, crop=(16, 16)), ("a", "b", "c"), "a test")
    )
    protocol = Protocol(steps=3, thetas=3, samples=1)
    return evaluate(
        model,
        data,
        ["grad_cam_pp", "guided_grad_cam", "random"],
        "faithfulness,curves,sensitivity",
        protocol=protocol,
        out=out,
        batch_size=3,
        part_size=6,
        progress=progress,
    )


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    place = tmp_path / "data"
    place.mkdir()
    for k in range(300):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(
            place / f"{k:03}.png"
        )
    (place / "100.png").write_bytes(b"broken")
    return place


@pytest.mark.slow
def test_killed_twenty_times(data, tmp_path):
    whole = run(data, tmp_path / "whole")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["sightline", "torch._dynamo", "pyarrow.parquet", "helpers.nets"]
    )
    chance, kills, before = random.Random(0), 0, set()
    while kills < KILLS:
        moment = chance.randrange(4), chance.uniform(0.0, 0.05)
        child = context.Process(target=run, args=(data, tmp_path / "killed", moment))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        kills += 1
        done = {int(path.stem) for path in (tmp_path / "killed" / "rows").glob("[0-9]*.parquet")}
        assert before <= done, "a part that was done is gone"
        before = done
    assert 0 < len(before) < 50, "nothing was interrupted"
    again = run(data, tmp_path / "killed")
    assert again.rows.equals(whole.rows)
    assert again.views.equals(whole.views)
    assert again.rows.num_rows == 300 * 3
    assert len(set(zip(again.column("item"), again.column("method"), strict=True))) == 300 * 3
    assert sum(error is not None for error in again.column("error")) == 3
    assert store.read(tmp_path / "killed").rows.equals(whole.rows)
