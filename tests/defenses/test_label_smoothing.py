import pytest
import torch
from torch.nn.functional import one_hot

from hardlight.defenses import LabelSmoothing


def test_by_hand():
    target = one_hot(torch.tensor([2, 0]), 10).float()
    expected = torch.full((2, 10), 0.1 / 9)
    expected[0, 2] = expected[1, 0] = 0.9
    torch.testing.assert_close(LabelSmoothing().soften(target), expected)


@pytest.mark.parametrize("classes", [2, 3, 100])
@pytest.mark.parametrize("true_label", [0.55, 0.9, 1.0])
def test_still_a_distribution_with_the_same_likeliest_class(classes, true_label):
    y = torch.arange(classes)
    soft = LabelSmoothing(true_label=true_label).soften(one_hot(y, classes).double())
    torch.testing.assert_close(soft.sum(1), torch.ones(classes, dtype=torch.float64))
    assert torch.equal(soft.argmax(1), y)
    torch.testing.assert_close(soft.amax(1), torch.full((classes,), true_label, dtype=torch.float64))


def test_a_share_that_would_hide_the_true_class_is_refused():
    with pytest.raises(ValueError, match="true_label must be greater than 1/10"):
        LabelSmoothing(true_label=0.1).soften(torch.eye(10))
