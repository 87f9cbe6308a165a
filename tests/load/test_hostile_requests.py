from __future__ import annotations

from collections import Counter

from benchmarks.serving.hostile_requests import End, requests


def test_a_seed_always_makes_the_same_requests():
    assert list(requests(200, seed=3, slow=5)) == list(requests(200, seed=3, slow=5))
    assert list(requests(200, seed=3, slow=5)) != list(requests(200, seed=4, slow=5))


def test_every_kind_comes_and_slow_clients_come_first():
    made = list(requests(2_000, seed=0, slow=20))

    kinds = Counter(one.kind for one in made)
    assert len(made) == 2_000
    assert {one.end for one in made[:20]} == {End.WAIT}
    assert kinds["slow client"] == 20
    assert len(kinds) == 20
    assert min(kinds.values()) >= 20


def test_what_is_a_request_has_the_length_that_it_says():
    for one in requests(300, seed=1, slow=0):
        if one.is_whole and one.kind in ("malformed JSON", "wrong values and keys", "deep nesting"):
            head, _, body = one.sent.partition(b"\r\n\r\n")
            assert f"content-length: {len(body)}".encode() in head
