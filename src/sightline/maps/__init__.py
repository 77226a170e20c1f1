"""What is done to pictures to see what a model makes of them: pure functions of images and maps. Listed by hand."""

from sightline.perturb.blur import blur as blur
from sightline.perturb.impute import impute as impute
from sightline.perturb.noisy import noisy as noisy
from sightline.perturb.occlusions import occlusion_map as occlusion_map
from sightline.perturb.occlusions import occlusions as occlusions
from sightline.perturb.occlusions import places as places
from sightline.perturb.order import first as first
from sightline.perturb.order import quantile_mask as quantile_mask
from sightline.perturb.order import rank as rank
from sightline.perturb.order import top_mask as top_mask
from sightline.perturb.steps import deletion_steps as deletion_steps
from sightline.perturb.steps import insertion_steps as insertion_steps
