"""A page elsewhere that points a name of its own at this machine is refused."""

from __future__ import annotations

import json

import pytest

from pricebench.server.hosts import hosts_of
from pricebench.server.limits import Limits
from tests.server import HOUSE, JSON, answers_on, desk_with, request_bytes


def names(address="127.0.0.1", *, host="127.0.0.1", allowed=(), has_token=False):
    return hosts_of(address, host=host, allowed=allowed, has_token=has_token)


def status_for(model, host, hosts):
    headers = {} if host is None else {"host": host}
    (reply,) = desk_with(model, Limits(), hosts=hosts).ask(
        ("POST", "/v1/price", json.dumps(HOUSE).encode(), JSON | headers)
    )
    return reply.status


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8600", "LocalHost:1", "127.0.0.1", "127.0.0.1:8600", "[::1]", "[::1]:8600"]
)
def test_this_machines_names_are_answered_with_any_port(model, host):
    assert status_for(model, host, names()) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8600",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        None,
        "[",
        "é",
    ],
)
def test_another_host_is_refused(model, host):
    assert status_for(model, host, names()) == 421


def test_a_name_that_was_allowed_is_answered_beside_this_machines(model):
    hosts = names(allowed=("Prices.example",))

    assert [status_for(model, host, hosts) for host in ("prices.example:443", "localhost", "other.example")] == [
        200,
        200,
        421,
    ]


def test_the_address_that_it_listens_on_is_one_of_its_names():
    assert "127.0.0.2" in names("127.0.0.2", host="127.0.0.2")
    assert "myself" in names("127.0.1.1", host="myself")


def test_with_a_token_any_host_is_answered_and_so_it_is_on_other_addresses():
    assert names(has_token=True, allowed=("x",)) == ()
    assert names("10.0.0.1", host="10.0.0.1") == ()
    assert names("fe80::1%eth0", host="fe80::1%eth0") == ()
    # Unless it is said under which names.
    assert "x" in names("10.0.0.1", host="10.0.0.1", allowed=("x",))


def test_names_that_were_accepted_do_not_fill_the_memory(model):
    desk = desk_with(model, Limits(), hosts=names())

    for port in range(1_000):
        desk.ask(("GET", "/health/live", b"", {"host": f"localhost:{port}"}))

    assert len(desk.service.hosts._known) <= 64


def test_a_server_refuses_it_on_the_short_way_and_on_the_long(server):
    long = b'{"houses": [' + json.dumps(HOUSE).encode() + b"]}"
    found = []
    for host in (b"evil.example", b"localhost:%d" % server.address[1]):
        # The second request of each connection meets what the first has left.
        sent = b"".join(request_bytes(body) for body in (json.dumps(HOUSE).encode(), long))
        with server.connect(sent.replace(b"host: localhost", b"host: " + host)) as sock:
            sock.shutdown(1)
            found.append(answers_on(sock))

    (refused, why), (answered, _) = found
    assert refused == [421, 421]
    assert json.loads(why)["error"].startswith("expected a request to localhost, found another host.")
    assert answered == [200, 200]
