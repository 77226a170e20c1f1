"""The only room where a model is touched. The door: `capture` opens a layer, `choose` finds one."""

from sightline.surgery.backward.linear_head import free_gradients as free_gradients
from sightline.surgery.backward.linear_head import pooled_head as pooled_head
from sightline.surgery.harness.finite import first_nonfinite as first_nonfinite
from sightline.surgery.harness.given import Given as Given
from sightline.surgery.harness.given import channels_second as channels_second
from sightline.surgery.harness.grids import Grid as Grid
from sightline.surgery.harness.opened_layer import TracedLayer as TracedLayer
from sightline.surgery.harness.randomise import noise as noise
from sightline.surgery.harness.resolve import Where as Where
from sightline.surgery.harness.supported import nonfinite_weights as nonfinite_weights
from sightline.surgery.harness.supported import supported_model as supported_model
from sightline.surgery.layer_trace import Trace as Trace
from sightline.surgery.layer_trace import capture as capture
from sightline.surgery.layers.candidates import Candidate as Candidate
from sightline.surgery.layers.choose import choose as choose
from sightline.surgery.layers.search import Choice as Choice
from sightline.surgery.pixel_trace import capture_pixels as capture_pixels
from sightline.surgery.rerun.from_layer import replay_from_layer as replay_from_layer
from sightline.surgery.rerun.replay import look as look
from sightline.surgery.rerun.replay import looking as looking
from sightline.surgery.rerun.replay import replay as replay
from sightline.surgery.rerun.replay import showing as showing
from sightline.surgery.rerun.replay import with_pictures as with_pictures
from sightline.surgery.tracing.backward_graph import traced as traced
from sightline.surgery.tracing.opened_model import Opened as Opened
