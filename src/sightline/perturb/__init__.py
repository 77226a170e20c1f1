"""What is done to pictures to see what a model makes of them: pure functions of images and maps. Listed here by hand."""

from sightline.perturb.blur import blur as blur
from sightline.perturb.impute import impute as impute
from sightline.perturb.noisy import noisy as noisy
from sightline.perturb.occlusions import occlusions as occlusions
from sightline.perturb.order import quantile_mask as quantile_mask
from sightline.perturb.order import rank as rank
from sightline.perturb.order import top_mask as top_mask
from sightline.perturb.steps import deletion as deletion
from sightline.perturb.steps import insertion as insertion
