import numpy as np
import pytest

from geonb.showing import matrices


@pytest.mark.parametrize(
    ("targets", "said"), [({}, "of one batch"), ({"a": np.eye(2), "b": np.eye(3)}, "of one batch")]
)
def test_matrices_of_nothing_or_of_two_batches_are_refused(targets, said):
    with pytest.raises(ValueError, match=said):
        matrices.target_matrices(targets)
