# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What root does around an offer: the owner's firewall is open as long as it lasts, and another user gives."""

from __future__ import annotations

import argparse
import io
import json
import os
import pwd
import socket

import pytest
from module_utils.errors import DroverError
from module_utils.runtime import firewall, offer
from unit.weights.models import write_model

SECRET = "fedcba9876543210" * 4
ADDRESS = "127.0.0.1"
ME = pwd.getpwuid(os.getuid())


@pytest.fixture
def given(tmp_path, monkeypatch):
    monkeypatch.setattr(firewall, "NOTES_FOLDER", str(tmp_path / "notes"))
    monkeypatch.setattr(os, "initgroups", lambda *_user: None)
    fields = {"model": write_model(tmp_path), "cluster": None, "address": ADDRESS, "port": 0, "allow": ["10.0.0.1"]}
    return argparse.Namespace(**fields, seconds=0.2, idle=60.0, user=ME.pw_name)


@pytest.fixture
def told(monkeypatch):
    """What was opened and closed; an offer to this machine alone would open nothing."""
    calls = []
    monkeypatch.setattr(offer, "open_offer", lambda address, port, allow, _run: calls.append((address, port, allow)))
    monkeypatch.setattr(offer, "close_offer", lambda port, _run: calls.append(port))
    return calls


def test_the_firewall_is_open_as_long_as_somebody_gives(given, told, capfd):
    offer.offer(given, io.StringIO(SECRET))
    begun, ended = map(json.loads, capfd.readouterr().out.splitlines())
    assert ended == {"sent_bytes": 0, "refused": 0}
    assert told == [(ADDRESS, begun["port"], ["10.0.0.1"]), begun["port"]]
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((ADDRESS, begun["port"]))


def test_it_ends_when_nobody_asks(given, told, capfd):
    given.seconds, given.idle = 600.0, 0.2
    offer.offer(given, io.StringIO(SECRET))
    assert isinstance(told[-1], int) and len(capfd.readouterr().out.splitlines()) == 2


def test_the_port_comes_free_when_the_firewall_is_closed(given, told, monkeypatch):
    """Otherwise the next offer, which waits for it, would have its own way in closed."""
    taken = []

    def close(port, _run):
        with socket.socket() as probe:
            taken.append(probe.connect_ex((ADDRESS, port)) == 0)

    monkeypatch.setattr(offer, "close_offer", close)
    offer.offer(given, io.StringIO(SECRET))
    assert taken == [True]


def test_whoever_ends_it_ends_who_gives(given, told, capfd, monkeypatch):
    given.seconds = 60.0
    wait, waited = os.waitpid, []

    def cut(child, options):
        waited.append(child)
        if len(waited) == 1:
            raise SystemExit(143)
        return wait(child, options)

    monkeypatch.setattr(os, "waitpid", cut)
    with pytest.raises(SystemExit):
        offer.offer(given, io.StringIO(SECRET))
    assert len(set(waited)) == 1 and len(waited) == 2
    assert isinstance(told[-1], int)


def test_a_firewall_that_refuses_is_no_offer(given, told, monkeypatch, capfd):
    def refuse(*_arguments):
        raise DroverError("ufw did not take the rule.")

    monkeypatch.setattr(offer, "open_offer", refuse)
    with pytest.raises(DroverError, match="did not take"):
        offer.offer(given, io.StringIO(SECRET))
    assert len(told) == 1 and capfd.readouterr().out == ""


def test_a_user_that_is_none(given, told):
    given.user = "nobody-is-called-so"
    with pytest.raises(DroverError, match="no user nobody-is-called-so"):
        offer.offer(given, io.StringIO(SECRET))
    assert told == []


def test_without_a_user_nothing_is_opened(given, told, capfd):
    given.user = None
    offer.offer(given, io.StringIO(SECRET))
    assert told == [] and len(capfd.readouterr().out.splitlines()) == 2
