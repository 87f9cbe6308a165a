from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricebench.data import FEATURES, BadCellError, stream_features

HEADERS = {
    "canonical": ",".join(FEATURES),
    "California": "median_income,housing_median_age,total_rooms,total_bedrooms,population,households",
}
# Plain, signed, missing, beyond a limit, scientific, with blanks, too large, and none at all.
cells = st.sampled_from(["1", "2.5", "+3", "", "NA", "0", "-1", "1e3", " 4 ", "1e999", "inf", "x", "1,5", "0x1"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@given(data=st.data())
def test_a_row_is_listed_with_the_cell_that_would_have_stopped_the_reading_of_it_alone(tmp_path, header, data):
    width = header.count(",") + 1
    rows = data.draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=20))

    def written(some):
        text = "\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in some)])
        (tmp_path / "houses.csv").write_text(text)
        return tmp_path / "houses.csv"

    (together,) = stream_features(written(rows), keeps_bad=True)
    bad = {cell.row: cell for cell in together.bad}

    for number, row in enumerate(rows, 1):
        features_F = together.features_NF[number - 1]
        if number in bad:
            with pytest.raises(BadCellError) as error:
                list(stream_features(written([row])))
            assert replace(error.value.cell, row=number) == bad.pop(number)
            assert np.isnan(features_F).all()
        else:
            (alone,) = stream_features(written([row]))
            np.testing.assert_array_equal(features_F, alone.features_NF[0])
    assert bad == {}
