"""What a licence's name means: its SPDX id, its address, and what it allows."""

from __future__ import annotations

import re

from portal.record import License

__all__ = ["license_of"]

# SPDX id: (shown as, address, forbids commercial use, allows redistribution)
_KNOWN: dict[str, tuple[str, str, bool, bool]] = {
    "CC0-1.0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/", False, True),
    "CC-BY-4.0": ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/", False, True),
    "CC-BY-3.0": ("CC BY 3.0", "https://creativecommons.org/licenses/by/3.0/", False, True),
    "CC-BY-SA-4.0": (
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/",
        False,
        True,
    ),
    "CC-BY-NC-4.0": ("CC BY-NC 4.0", "https://creativecommons.org/licenses/by-nc/4.0/", True, True),
    "CC-BY-NC-SA-4.0": (
        "CC BY-NC-SA 4.0",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        True,
        True,
    ),
    "CC-BY-ND-4.0": (
        "CC BY-ND 4.0",
        "https://creativecommons.org/licenses/by-nd/4.0/",
        False,
        True,
    ),
    "CC-BY-NC-ND-4.0": (
        "CC BY-NC-ND 4.0",
        "https://creativecommons.org/licenses/by-nc-nd/4.0/",
        True,
        True,
    ),
    "MIT": ("MIT", "https://spdx.org/licenses/MIT.html", False, True),
    "BSD-3-Clause": ("BSD 3-Clause", "https://spdx.org/licenses/BSD-3-Clause.html", False, True),
    "Apache-2.0": ("Apache 2.0", "https://spdx.org/licenses/Apache-2.0.html", False, True),
    "ODbL-1.0": ("ODbL 1.0", "https://spdx.org/licenses/ODbL-1.0.html", False, True),
    "PDDL-1.0": ("PDDL 1.0", "https://spdx.org/licenses/PDDL-1.0.html", False, True),
}
_LONG = {
    "creative commons attribution 4.0 international": "CC-BY-4.0",
    "creative commons attribution 3.0": "CC-BY-3.0",
    "creative commons zero v1.0 universal": "CC0-1.0",
    "creative commons attribution-noncommercial 4.0 international": "CC-BY-NC-4.0",
    "creative commons attribution-sharealike 4.0 international": "CC-BY-SA-4.0",
    "public domain": "CC0-1.0",
}


def _key(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.strip().casefold())


_BY_NAME = {_key(name): spdx for spdx, (name, *_) in _KNOWN.items()} | {
    _key(spdx): spdx for spdx in _KNOWN
}
_BY_NAME |= {_key(name): spdx for name, spdx in _LONG.items()}
_BY_ADDRESS = {v[1].rstrip("/").removeprefix("https://"): k for k, v in _KNOWN.items()}


def license_of(written: str | None) -> License | None:
    """The licence that a curator named by SPDX id, full name or address.

    A name that is not known is kept as written, with what it allows left unknown.
    """
    if not written or not written.strip():
        return None
    address = written.strip().rstrip("/").removeprefix("http://").removeprefix("https://")
    spdx = _BY_NAME.get(_key(written)) or _BY_ADDRESS.get(address)
    if spdx:
        label, url, noncommercial, redistributable = _KNOWN[spdx]
        return License(
            label=label,
            spdx=spdx,
            url=url,
            noncommercial=noncommercial,
            redistributable=redistributable,
        )
    is_address = written.startswith(("https://", "http://"))
    return License(label=written.strip(), url=written.strip() if is_address else None)
