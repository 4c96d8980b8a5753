"""The audit chain's arithmetic: whatever is done to a written chain is found, at the place where it was done."""

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.audit import GENESIS, Head, Link, canonical, verify


def link(seq: int, prev: bytes, chain: int = 1, **more: Any) -> Link:
    values = {
        "id": seq * 2 + chain, "community": chain, "at": f"2026-11-21T12:00:{seq % 60:02d}.000000Z", "actor": "user:li",
        "action": "alarm.acknowledge", "object": f"alarm:{seq}", "detail": f'{{"n": {seq}}}', "remote": "10.0.0.9",
        **more,
    }  # fmt: skip
    bare = Link(chain=chain, seq=seq, prev=prev, hash=None, **values)
    return msgspec.structs.replace(bare, hash=hashlib.sha256(canonical(bare)).digest())


def make_chain(length: int, chain: int = 1) -> list[Link]:
    links: list[Link] = []
    for seq in range(1, length + 1):
        links.append(link(seq, links[-1].hash or b"" if links else GENESIS, chain))
    return links


def heads(*chains: Sequence[Link]) -> dict[int, Head]:
    return {chain[-1].chain: Head(chain[-1].seq or 0, chain[-1].hash or b"") for chain in chains}


def test_a_sound_log_is_sound():
    one, two = make_chain(30), make_chain(5, 2)
    known = [(one[3].hash or b"").hex(), (two[4].hash or b"").hex()]
    verdict = verify([*one, *two], heads(one, two), known)
    assert verdict.ok
    assert {chain: head.seq for chain, head in verdict.sound.items()} == {1: 30, 2: 5}
    assert verify([], {}).ok


def test_an_empty_log_whose_head_says_otherwise_is_broken():
    verdict = verify([], heads(make_chain(3)))
    assert [(b.chain, b.cause) for b in verdict.broken] == [(1, "head")]


def test_a_tail_that_was_cut_with_its_head_is_found_by_a_head_seen_before():
    chain = make_chain(9)
    seen = (chain[-1].hash or b"").hex()
    assert verify(chain[:6], heads(chain[:6])).ok
    assert verify(chain[:6], heads(chain[:6]), [seen]).lost == [seen]
    # a chain written anew from the fourth link on is sound in itself; the head seen before tells
    forged = chain[:3]
    for seq in range(4, 10):
        forged.append(link(seq, forged[-1].hash or b"", actor="user:mallory"))
    assert verify(forged, heads(forged)).ok
    assert verify(forged, heads(forged), [seen]).lost == [seen]


def _mutate(rng: random.Random, chain: list[Link]) -> tuple[list[Link], int]:
    """One change to a written chain, and the seq at which it must be found at the latest."""
    n = rng.randrange(len(chain))
    sort = rng.choice(["column", "row", "link", "both", "swap", "rows", "cut", "insert"])
    mutated = list(chain)
    victim = chain[n]
    if sort == "column":
        name = rng.choice(["id", "community", "at", "actor", "action", "object", "detail", "remote", "prev", "hash"])
        value = getattr(victim, name)
        if isinstance(value, bytes):
            byte = rng.randrange(32)
            other: Any = value[:byte] + bytes([value[byte] ^ (1 << rng.randrange(8))]) + value[byte + 1 :]
        elif isinstance(value, int):
            other = value + rng.choice([-1, 1, 1000])
        elif name == "detail":
            other = rng.choice(["{}", '{"n": 0}', '{"n": "1"}'])
        else:
            place = rng.randrange(len(value))
            other = value[:place] + chr((ord(value[place]) + 1) % 0x7F or 1) + value[place + 1 :]
        mutated[n] = msgspec.structs.replace(victim, **{name: other})
    elif sort == "row":
        none = dict.fromkeys(("id", "community", "at", "actor", "action", "object", "detail", "remote"))
        mutated[n] = msgspec.structs.replace(victim, **none)
    elif sort == "link":
        del mutated[n]
        mutated.append(msgspec.structs.replace(victim, seq=None, prev=None, hash=None))
    elif sort == "both":
        del mutated[n]
    elif sort == "swap":
        m = rng.choice([k for k in range(len(chain)) if k != n])
        mutated[n] = msgspec.structs.replace(chain[m], seq=victim.seq)
        mutated[m] = msgspec.structs.replace(victim, seq=chain[m].seq)
        n = min(n, m)
    elif sort == "rows":
        m = rng.choice([k for k in range(len(chain)) if k != n])
        told = {"prev": victim.prev, "hash": victim.hash, "seq": victim.seq}
        mutated[n] = msgspec.structs.replace(chain[m], **told)
    elif sort == "cut":
        mutated = mutated[:n]
    else:
        mutated.append(msgspec.structs.replace(victim, id=9999, seq=None, prev=None, hash=None))
        n = len(chain)
    return mutated, n + 1


def test_p04_ten_thousand_changes_are_all_found_where_they_were_made():
    rng, chain = random.Random(7), make_chain(40)
    known = heads(chain)
    for _ in range(10_000):
        mutated, at_latest = _mutate(rng, chain)
        if mutated == chain:  # the detail drawn is the one that stood there
            continue
        verdict = verify(mutated, known)
        assert len(verdict.broken) == 1
        found = verdict.broken[0].seq
        assert found is None or found <= at_latest + 1
        assert verdict.sound.get(1, Head(0, b"")).seq < at_latest


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contents = st.fixed_dictionaries({
    "id": st.integers(1, 2**62), "actor": words, "action": words, "object": words, "remote": words,
    "detail": st.dictionaries(words, words | st.integers() | st.booleans() | st.none(), max_size=4).map(json.dumps),
})  # fmt: skip


@given(contents, contents)
def test_two_rows_have_the_same_form_only_when_they_are_the_same(one: dict[str, Any], other: dict[str, Any]):
    first, second = link(1, GENESIS, **one), link(1, GENESIS, **other)
    assert (canonical(first) == canonical(second)) == (one == other)


@given(contents)
def test_the_form_is_json_that_says_the_row(values: dict[str, Any]):
    said = json.loads(canonical(link(7, GENESIS, **values)))
    assert list(said) == sorted(said, key=lambda key: (len(key), key))
    assert said == {
        "at": "2026-11-21T12:00:07.000000Z", "id": values["id"], "seq": 7, "prev": "00" * 32, "actor": values["actor"],
        "action": values["action"], "detail": json.loads(values["detail"]), "object": values["object"],
        "remote": values["remote"], "community": 1,
    }  # fmt: skip
