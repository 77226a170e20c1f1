"""The only room where a model is touched. The door: `capture` opens a layer, `choose` finds one."""

from sightline.surgery.behind import behind as behind
from sightline.surgery.choice import Choice as Choice
from sightline.surgery.choice import choose as choose
from sightline.surgery.cut import Cut as Cut
from sightline.surgery.cut import Trace as Trace
from sightline.surgery.cut import capture as capture
from sightline.surgery.grids import Grid as Grid
from sightline.surgery.head import free_gradients as free_gradients
from sightline.surgery.head import pooled_head as pooled_head
from sightline.surgery.health import first_nonfinite as first_nonfinite
from sightline.surgery.layers import Candidate as Candidate
from sightline.surgery.layers import Where as Where
from sightline.surgery.opened import Opened as Opened
from sightline.surgery.operable import nonfinite_weights as nonfinite_weights
from sightline.surgery.operable import operable as operable
from sightline.surgery.pixels import capture_pixels as capture_pixels
from sightline.surgery.replay import look as look
from sightline.surgery.replay import looking as looking
from sightline.surgery.replay import replay as replay
from sightline.surgery.replay import showing as showing
from sightline.surgery.replay import with_pictures as with_pictures
from sightline.surgery.tail import traced as traced
