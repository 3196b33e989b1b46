"""By which address the rigs reach each other."""

from __future__ import annotations

import pytest

from provision.together import Place, TogetherError
from provision.together.addresses import Look, Own, Trial, candidates, choose


def look(arrived: str, *networks: str) -> Look:
    own = tuple(Own(interface=f"eth{i}", network=each) for i, each in enumerate(networks))
    return Look(arrived=arrived, addresses=own)


DOCKER = "172.17.0.1/16"
LOOKS = {
    "a": look("192.0.2.7", DOCKER, "192.0.2.7/30", "10.9.0.1/24"),
    "b": look("198.51.100.7", DOCKER, "198.51.100.7/30", "10.9.0.2/24"),
}


def test_a_network_that_all_have_comes_first_then_where_ssh_arrived() -> None:
    assert candidates("a", LOOKS, {}) == ("10.9.0.1", "192.0.2.7", "172.17.0.1")


def test_a_bridge_with_the_same_address_everywhere_is_no_common_network() -> None:
    looks = {"a": look("192.0.2.7", DOCKER, "192.0.2.7/30"), "b": look("192.0.2.9", DOCKER)}
    assert candidates("a", looks, {})[0] == "192.0.2.7"


def test_a_given_address_is_the_only_one() -> None:
    assert candidates("a", LOOKS, {"a": "2001:db8::1"}) == ("2001:db8::1",)


def test_loopback_is_never_one() -> None:
    assert candidates("a", {"a": look("127.0.0.1"), "b": look("192.0.2.9")}, {}) == ()


def trial(by: str, of: str, address: str, trouble: str = "") -> Trial:
    return Trial(by=by, of=of, address=address, port=4000, trouble=trouble)


def test_the_first_address_that_all_others_reach() -> None:
    looks = {**LOOKS, "c": look("203.0.113.9")}
    trials = [
        trial("b", "a", "10.9.0.1"),
        trial("c", "a", "10.9.0.1", "no answer within 4 s"),
        trial("b", "a", "192.0.2.7"),
        trial("c", "a", "192.0.2.7"),
        trial("a", "b", "10.9.0.2"),
        trial("c", "b", "10.9.0.2"),
        trial("a", "c", "203.0.113.9"),
        trial("b", "c", "203.0.113.9"),
    ]
    found = choose(looks, trials)
    assert found["a"] == Place(address="192.0.2.7", port=4000, interface="eth1")
    assert found["b"].address == "10.9.0.2"


def test_out_of_reach_names_who_whom_and_where() -> None:
    trials = [
        trial("a", "b", "10.9.0.2", "Connection refused"),
        trial("a", "b", "198.51.100.7", "another machine answers there"),
        trial("b", "a", "10.9.0.1"),
    ]
    with pytest.raises(TogetherError) as caught:
        choose(LOOKS, trials)
    assert caught.value.reference == "rigs-apart"
    told = str(caught.value)
    assert "a cannot reach b at 10.9.0.2 port 4000 (Connection refused), 198.51.100.7" in told
    assert "--address b=ADDRESS" in told


def test_a_rig_without_any_address_is_told_so() -> None:
    with pytest.raises(TogetherError, match="none beyond loopback"):
        choose({"a": look(""), "b": look("")}, [])


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert str(Place(address="2001:db8::1", port=1)) == "[2001:db8::1]:1"
    assert str(Place(address="192.0.2.1", port=1)) == "192.0.2.1:1"
