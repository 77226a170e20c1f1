"""What is done to maps, and to pictures under a map: pure functions, listed by hand."""

from sightline.maps.blur import blur as blur
from sightline.maps.deletion import deletion_steps as deletion_steps
from sightline.maps.deletion import insertion_steps as insertion_steps
from sightline.maps.impute import impute as impute
from sightline.maps.noise import noisy as noisy
from sightline.maps.occlusion import occlusion_map as occlusion_map
from sightline.maps.occlusion import occlusions as occlusions
from sightline.maps.occlusion import patches as patches
from sightline.maps.order import first_mask as first_mask
from sightline.maps.order import quantile_mask as quantile_mask
from sightline.maps.order import rank as rank
from sightline.maps.order import top_mask as top_mask
from sightline.maps.seen_through import seen_through as seen_through
