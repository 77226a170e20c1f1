"""Pictures in: found, read, and made ready for a model.

`find` names the files, `read` makes an upright RGB picture of anything that holds one, `prepare`
makes a batch of them what a model's card asks for, and `seen` goes back from there to the pixels
the model saw. `as_preprocess` reads how that is done from a transform or an image processor.
"""

from sightline.images.as_preprocess import as_preprocess as as_preprocess
from sightline.images.assumed import assumption as assumption
from sightline.images.decode import MAX_PIXELS as MAX_PIXELS
from sightline.images.find import SUFFIXES as SUFFIXES
from sightline.images.find import find as find
from sightline.images.prepare import Prepared as Prepared
from sightline.images.prepare import framed as framed
from sightline.images.prepare import prepare as prepare
from sightline.images.prepare import seen as seen
from sightline.images.read import read as read
