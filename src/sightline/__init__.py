"""sightline: see what a vision network looked at, and know how far to trust that picture.

>>> import torch, sightline
>>> net = torch.nn.Sequential(
...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
... )
>>> sightline.explain(net, torch.rand(1, 3, 8, 8)).maps.shape
torch.Size([1, 8, 8])
"""

from importlib.metadata import version as _version

from sightline.blackbox import BLACKBOX as BLACKBOX
from sightline.compare_layers import compare_layers as compare_layers
from sightline.compiled import compiled as compiled
from sightline.errors import SightlineError as SightlineError
from sightline.evaluate import evaluate as evaluate
from sightline.explain import explain as explain
from sightline.explainer import Explainer as Explainer
from sightline.explanation import Explanation as Explanation
from sightline.export import exportable as exportable
from sightline.factorise import Factorisation as Factorisation
from sightline.factorise import factorise as factorise
from sightline.folder import explain_folder as explain_folder
from sightline.fuse import fuse as fuse
from sightline.mask import explanation_map as explanation_map
from sightline.methods import METHODS as METHODS
from sightline.metrics import METRICS as METRICS
from sightline.models import Card as Card
from sightline.models import describe as describe
from sightline.models import load as load
from sightline.pixelspace import PIXELSPACE as PIXELSPACE
from sightline.protocol import Protocol as Protocol
from sightline.surgery import capture as capture
from sightline.surgery.choice import layers as layers
from sightline.targets import Target as Target
from sightline.to_onnx import to_onnx as to_onnx
from sightline.types import Preprocess as Preprocess

__version__ = _version("sightline")
