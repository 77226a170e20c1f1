"""Data sets: records, what is known about them, and boxes that follow into the model's view.

`open_data` reads what lies at a path, `match` finds the data set's classes among the model's,
`load` opens one record and brings its boxes and masks into the pixels that the model sees.
"""

from sightline.datasets.annotation import ONE as ONE
from sightline.datasets.annotation import SEVERAL as SEVERAL
from sightline.datasets.data import Data as Data
from sightline.datasets.formats.cifar import cifar as cifar
from sightline.datasets.formats.coco import coco as coco
from sightline.datasets.formats.folder import image_folder as image_folder
from sightline.datasets.formats.labelled import labelled_folder as labelled_folder
from sightline.datasets.formats.parquet import parquet as parquet
from sightline.datasets.formats.voc import voc as voc
from sightline.datasets.geometry import mask_to_view as mask_to_view
from sightline.datasets.geometry import placement as placement
from sightline.datasets.geometry import to_photo as to_photo
from sightline.datasets.geometry import to_view as to_view
from sightline.datasets.matching import match as match
from sightline.datasets.open import KINDS as KINDS
from sightline.datasets.open import open_data as open_data
from sightline.datasets.record import Mask as Mask
from sightline.datasets.record import Object as Object
from sightline.datasets.record import Placement as Placement
from sightline.datasets.record import Record as Record
from sightline.datasets.view import View as View
from sightline.datasets.view import load as load
