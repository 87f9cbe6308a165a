from __future__ import annotations

import pytest
from scipy import special

from pricebench import quantiles
from pricebench.gate.judge import ALPHA, INTERVAL_ALPHA
from pricebench.paired.statistics import LOOKS

# Degrees of freedom at each look: a trimmed mean leaves out an eighth at either end.
FREEDOMS = [number - 2 * (number // 8) - 1 for number in LOOKS]


@pytest.mark.parametrize("alpha", [ALPHA, INTERVAL_ALPHA])
def test_students_t_is_that_of_scipy_at_every_look(alpha):
    for look, freedom in enumerate(FREEDOMS, 1):
        probability = 1 - alpha / 2**look
        expected = special.stdtrit(freedom, probability)

        assert quantiles.stdtrit(freedom, probability) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("freedom", "probability"), [(1, 0.001), (2, 0.3), (500, 0.5), (3, 0.7), (500, 0.99999)])
def test_students_t_is_that_of_scipy_on_both_sides_and_in_its_middle(freedom, probability):
    expected = special.stdtrit(freedom, probability)

    assert quantiles.stdtrit(freedom, probability) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_what_can_be_detected_is_that_of_scipy_at_every_look():
    for look, freedom in enumerate(FREEDOMS, 1):
        t = special.stdtrit(freedom, 1 - ALPHA / 2**look)
        noncentrality = special.nctdtrinc(freedom, 0.1, t)
        median = special.gammaincinv(freedom / 2, 0.5)

        assert quantiles.nctdtrinc(freedom, 0.1, t) == pytest.approx(noncentrality, rel=1e-7)
        assert quantiles.gammaincinv(freedom / 2, 0.5) == pytest.approx(median, rel=1e-12)


@pytest.mark.parametrize("probability", [0.001, 0.5, 0.9])
def test_the_normal_quantile_is_that_of_scipy(probability):
    assert quantiles.ndtri(probability) == pytest.approx(special.ndtri(probability), rel=1e-12, abs=1e-15)
