"""What is kept on disk: found by the next process, and nobody's trouble where it cannot be."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.placed_nets import Placed, measured, mirrored
from sightline import explain
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.memory import disk
from sightline.surgery.memory import remembered as memory
from sightline.surgery.place import proof


def as_it_is(net, x):
    return x


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(disk.VARIABLE, str(tmp_path))
    return tmp_path / "places"


@pytest.fixture
def searched(monkeypatch):
    """The proofs that were made, not found."""
    made, search = [], proof._prove
    monkeypatch.setattr(proof, "_prove", lambda *given: made.append(1) or search(*given))
    return made


def asked(net, side=32, layer="act", **run):
    """What is known of a network in a process that has not met it yet."""
    memory._remembered.clear()
    return proof.prove(Given.of(net, torch.rand(1, 3, side, side)), LayerRun(layer, **run))


def test_the_tests_themselves_keep_nothing():
    import conftest

    assert 'os.environ["SIGHTLINE_CACHE"] = "off"' in Path(conftest.__file__).read_text()


@pytest.mark.parametrize("way", [as_it_is, measured(as_it_is)])
def test_a_second_process_proves_nothing(way, searched, cache):
    first = asked(Placed(way))
    assert (first.outcome, len(searched)) == ("confirmed", 1)
    other = Placed(way)
    with torch.no_grad():
        other.first.weight.mul_(2)  # the place is one of the network, not of its weights
    assert asked(other) == first
    assert len(searched) == 1
    (file,) = cache.iterdir()
    assert json.loads(file.read_text())[0]["found"] == first.record


def test_what_is_not_confirmed_is_found_anew(searched, cache):
    assert [asked(Placed(mirrored)).outcome for _ in range(2)] == ["contradicted"] * 2
    assert len(searched) == 2
    assert not cache.exists()


class Mirrors(Placed):
    def forward(self, x):
        return super().forward(x.flip(3))


class Told(Placed):
    mirror = False

    def body(self, x):
        return super().body(seen(x.flip(3) if self.mirror else x))


def seen(x):
    return turned(x)


def turned(x):
    return x


def other_class(net, patch):
    net.__class__ = Mirrors


def own_forward(net, patch):
    net.forward = lambda x: type(net).forward(net, x.flip(3))


def flag(net, patch):
    net.mirror = True


def flag_of_the_class(net, patch):
    patch.setattr(Told, "mirror", True)


def wrapped(net, patch):
    before = net.forward
    net.forward = lambda *args: before(*(one.flip(3) for one in args))


def exchanged_method(net, patch):
    patch.setattr(Placed, "body", lambda self, x: self.act(self.second(self.first(x.flip(3)))))


def exchanged_function(net, patch):
    patch.setitem(globals(), "turned", lambda x: x.flip(3))


def exchanged_deeper(net, patch):
    patch.setitem(globals(), "seen", lambda x: turned(x).flip(3))


def hooked(net, patch):
    net.first.register_forward_pre_hook(lambda _, args: (args[0].flip(3),))


def hooked_everywhere(net, patch):
    def hook(module, args):
        return (args[0].flip(3),) if module is net.first else None

    patch.setitem(nn.modules.module._global_forward_pre_hooks, -1, hook)


def library_function(net, patch):
    patch.setattr(nn.Tanh, "forward", lambda self, x: x.tanh().flip(3))


MIRRORING = [
    other_class, own_forward, flag, flag_of_the_class, wrapped, exchanged_method,
    exchanged_function, exchanged_deeper, hooked, hooked_everywhere, library_function,
]  # fmt: skip


@pytest.mark.parametrize("change", MIRRORING)
def test_the_same_modules_and_weights_that_mirror(change, monkeypatch):
    """Asked second, from memory and from disk."""
    net = Told()
    assert asked(net).outcome == "confirmed"
    with monkeypatch.context() as patch:
        change(net, patch)
        given = Given.of(net, torch.rand(1, 3, 32, 32))
        assert proof.prove(given, LayerRun("act")).outcome == "contradicted"
        assert asked(net).outcome == "contradicted"
    # And where it was the changed one that was asked first.
    assert asked(Told()).outcome == "confirmed"


@pytest.mark.slow
def test_a_second_process_in_earnest(cache):
    """By `explain`, whole: what is left is one forward pass, as without any proof."""
    program = """
import torch, sightline
from torch.utils._python_dispatch import TorchDispatchMode
from helpers.placed_nets import Encoder

class Runs(TorchDispatchMode):
    count = 0
    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.count += operator is torch.ops.aten.convolution.default
        return operator(*args, **(kwargs or {}))

net, x = Encoder(), torch.rand(1, 3, 32, 32)
for place in ("proved", "unchecked"):
    with Runs() as runs:
        e = sightline.explain(net, x, 0, layer="norm", place=place)
    print(runs.count, end=" ")
print(e.status[0].word)
"""
    environment = dict(os.environ, OMP_NUM_THREADS="1", SIGHTLINE_CACHE=str(cache))
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    said = []
    for seed in ("1", "2"):
        environment["PYTHONHASHSEED"] = seed
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        first, unchecked = map(int, done.stdout.split()[:2])
        said.append((first, unchecked))
    assert said[0][0] > said[0][1]
    assert said[1][0] == said[1][1]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "[1]", "{}", '[{"picture": [1]}]', "\udcff", '[{"found": 3}]']
)
def test_a_file_that_is_none(content, searched, cache):
    first = asked(Placed())
    (file,) = cache.iterdir()
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert asked(Placed()) == first
    assert len(searched) == 2
    assert asked(Placed()) == first  # mended
    assert len(searched) == 2


def test_no_folder_and_one_that_may_not_be_written(searched, cache, monkeypatch):
    cache.parent.joinpath("file").write_text("in the way")
    monkeypatch.setenv(disk.VARIABLE, str(cache.parent / "file"))
    assert [asked(Placed()).outcome for _ in range(2)] == ["confirmed"] * 2
    assert len(searched) == 2
    monkeypatch.setenv(disk.VARIABLE, str(cache.parent))
    cache.mkdir()
    cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert asked(Placed()).outcome == "confirmed"
    finally:
        cache.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("off", ["off", "", "OFF", "0"])
def test_off(off, searched, cache, monkeypatch):
    monkeypatch.setenv(disk.VARIABLE, off)
    assert [asked(Placed()).outcome for _ in range(2)] == ["confirmed"] * 2
    assert len(searched) == 2
    assert not cache.exists()
    assert disk.folder() is None


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.delenv(disk.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert disk.folder() == tmp_path / "caches" / "sightline" / "places"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert disk.folder() == tmp_path / ".cache" / "sightline" / "places"


def test_many_that_write_at_once(cache):
    def write(k):
        for size in range(20):
            disk.store("one", {"picture": [k, size], "shown": [], "grid": None, "found": k})

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    records = disk.load("one")
    assert 1 <= len(records) <= 16
    assert [one.name for one in cache.iterdir()] == ["one.json"]


def test_the_oldest_go(cache, monkeypatch):
    monkeypatch.setattr(disk, "MOST_FILES", 10)
    for k in range(11):
        disk.store(f"{k}", {"picture": [], "shown": [], "grid": None, "found": 1})
        os.utime(cache / f"{k}.json", (k, k))
    disk.store("last", {"picture": [], "shown": [], "grid": None, "found": 1})
    # At the eleventh file two go, so that not each one that follows has to look through all.
    assert {one.stem for one in cache.iterdir()} == {*map(str, range(2, 11)), "last"}


def test_what_explain_says_is_the_same():
    net, x = Placed(), torch.rand(1, 3, 32, 32)
    said = []
    for _ in range(2):
        memory._remembered.clear()
        said.append(explain(net, x, 0, layer="act").provenance["layer"]["place"])
    assert said[0] == said[1]
    assert said[0]["outcome"] == "confirmed"
