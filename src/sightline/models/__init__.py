"""Models in: by name or from a local file, with a card that says what each of them wants."""

from sightline.models.card import Card as Card
from sightline.models.checkpoint import read_weights as read_weights
from sightline.models.import_path import is_import_path as is_import_path
from sightline.models.load_weights import load_weights as load_weights
from sightline.models.lookout import Lookout as Lookout
from sightline.models.lookout import lookout as lookout
from sightline.models.output_names import read_names as read_names
from sightline.models.recognise import card_of as card_of
from sightline.models.recognise import describe as describe
from sightline.models.registry import Loaded as Loaded
from sightline.models.registry import card_for as card_for
from sightline.models.registry import find as find
from sightline.models.registry import known as known
from sightline.models.registry import load as load
from sightline.models.registry import load_with as load_with
