"""sightline: see what a vision network looked at, and know how far to trust that picture.

>>> import torch, sightline
>>> net = torch.nn.Sequential(
...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
... )
>>> sightline.explain(net, torch.rand(1, 3, 8, 8)).maps.shape
torch.Size([1, 8, 8])
"""

from importlib.metadata import version as _version

from sightline.errors import SightlineError as SightlineError
from sightline.evaluation.compare_layers import compare_layers as compare_layers
from sightline.evaluation.evaluate import evaluate as evaluate
from sightline.explanation.explain import explain as explain
from sightline.explanation.export.compiled import compiled as compiled
from sightline.explanation.export.explainer import Explainer as Explainer
from sightline.explanation.export.exportable import exportable as exportable
from sightline.explanation.export.onnx import to_onnx as to_onnx
from sightline.explanation.factorise import Factorisation as Factorisation
from sightline.explanation.factorise import factorise as factorise
from sightline.explanation.folder import explain_folder as explain_folder
from sightline.explanation.fuse import fuse as fuse
from sightline.explanation.result import Explanation as Explanation
from sightline.maps.mask import explanation_map as explanation_map
from sightline.methods import METHODS as METHODS
from sightline.methods.blackbox import BLACKBOX as BLACKBOX
from sightline.methods.pixel import PIXELSPACE as PIXELSPACE
from sightline.metrics import METRICS as METRICS
from sightline.models import Card as Card
from sightline.models import describe as describe
from sightline.models import load as load
from sightline.protocol import Protocol as Protocol
from sightline.surgery import capture as capture
from sightline.surgery.layers.choose import layers as layers
from sightline.targets import Target as Target
from sightline.types import Preprocess as Preprocess

__version__ = _version("sightline-cam")
