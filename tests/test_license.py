"""What a licence's name means."""

from __future__ import annotations

import pytest

from portal.license import license_of


@pytest.mark.parametrize(
    "written",
    [
        "CC-BY-4.0",
        "cc by 4.0",
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0",
        "http://creativecommons.org/licenses/by/4.0/",
    ],
)
def test_one_licence_by_all_its_names(written):
    licence = license_of(written)
    assert (licence.spdx, licence.noncommercial, licence.redistributable) == (
        "CC-BY-4.0",
        False,
        True,
    )


def test_a_licence_that_nobody_knows_is_kept_and_promises_nothing():
    licence = license_of("Ask the authors")
    assert licence.label == "Ask the authors"
    assert (licence.spdx, licence.url, licence.noncommercial) == (None, None, None)
    assert license_of("https://a.org/terms").url == "https://a.org/terms"
    assert license_of("javascript:alert(1)").url is None
    assert license_of("  ") is None
