"""Keys as operators give them; what is wrong is named and never shown."""

from __future__ import annotations

import base64
import json

import pytest

from passbook.errors import SettingsError
from passbook.privacy.keys import derived, read_key, read_ring

KEY = base64.b64encode(bytes(range(32))).decode()


def test_the_newest_version_seals_whatever_the_order() -> None:
    ring = read_ring(json.dumps({"10": KEY, "9": KEY}), "KEYS")
    assert ring.newest == 10
    assert set(ring.keys) == {9, 10}
    assert KEY not in repr(ring)


@pytest.mark.parametrize(
    "text", ["", "secret-key", '["secret-key"]', "{}", '{"0": "x"}', '{"1": "secret-key"}',
             '{"new": "x"}', json.dumps({"1": KEY[:20]})],
)  # fmt: skip
def test_wrong_rings_are_named_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match=r"E801.*MY_KEYS") as caught:
        read_ring(text, "MY_KEYS")
    assert "secret-key" not in str(caught.value)


def test_keys_of_other_purposes_are_other_keys() -> None:
    key = read_key(KEY, "KEY")
    assert derived(key, "a") == derived(key, "a")
    assert len({derived(key, "a"), derived(key, "b"), derived(bytes(32), "a"), key}) == 4


def test_derivation_is_the_published_one() -> None:
    """RFC 5869, appendix A.3: no salt, no purpose; the first 32 bytes."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert derived(b"\x0b" * 22, "").hex() == expected
