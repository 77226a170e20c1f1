"""What code names, and whose it is."""

import dis
import json
import types

import pytest
import torch
import torch.nn.functional as F

from helpers.nets import convnet
from sightline.surgery.memory.code_of import by_library, home, is_library, library, names_in


def test_the_names_that_code_reads():
    def code(x):
        from os import path

        return [F.relu(one) for one in x], path, convnet

    reads, imports, every = names_in(code.__code__)
    assert {"F", "convnet"} <= set(reads)
    assert imports == ("os",)
    assert {"relu", "path"} <= set(every)


@pytest.mark.parametrize("function", [json.dumps, dis.dis, F.interpolate, torch.nn.Module.to])
def test_of_real_functions_all_globals_are_found(function):
    steps = dis.get_instructions(function.__code__)
    want = {step.argval for step in steps if step.opname == "LOAD_GLOBAL"}
    assert want <= set(names_in(function.__code__)[0])


def test_whose_a_function_is():
    assert by_library(json.dumps)
    assert by_library(F.relu)
    assert not by_library(convnet)
    stolen = types.FunctionType((lambda x: x).__code__, {"__name__": "torch.nn.functional"})
    assert home(stolen) == "torch.nn.functional"
    assert not by_library(stolen)  # another file


def test_what_lies_in_a_checkout_is_no_library(monkeypatch, tmp_path):
    package = types.ModuleType("timm")
    package.__file__, package.__version__ = str(tmp_path / "timm" / "__init__.py"), "1.0"
    monkeypatch.setitem(__import__("sys").modules, "timm", package)
    library.cache_clear()
    assert not is_library("timm.layers")
    package.__file__ = str(tmp_path / "site-packages" / "timm" / "__init__.py")
    library.cache_clear()
    assert library("timm") == "1.0"
    library.cache_clear()
