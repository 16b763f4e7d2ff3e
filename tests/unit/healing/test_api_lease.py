# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Lease of Kubernetes' API as the one voter: held against a small server that keeps versions as the API does, with
clocks that are made up."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import ssl
import subprocess
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from module_utils.errors import DroverError
from module_utils.runtime import api_lease, pod_standby, standby
from module_utils.runtime.api_lease import ApiLease
from module_utils.runtime.command import EX_TEMPFAIL
from module_utils.runtime.pod_standby import API, PodCandidate
from module_utils.serving.cluster import Cluster
from unit.healing.test_replan import DEPLOYMENTS, MEMBERS
from unit.healing.test_standby import Child, write

PATH = "/apis/coordination.k8s.io/v1/namespaces/drover/leases/drover-main-lease"
TERMS = standby.TERMS


class Kubernetes(ThreadingHTTPServer):
    """The API: one Lease, the ``status`` that it answers all with while that is set, and what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lease = {"kind": "Lease", "metadata": {"name": "drover-main-lease", "resourceVersion": "7"}}
        self.status, self.before_put, self.asked = 0, None, []
        # Of an object that is written in a test or by the API; each write is of one thread.
        self.lock = threading.Lock()

    def write(self, **spec):
        """As whoever else may write it."""
        version = str(int(self.lease["metadata"]["resourceVersion"]) + 1)
        known = self.lease.get("spec", {})
        wanted = {key: value for key, value in {**known, **spec}.items() if value is not None}
        self.lease = {**self.lease, "metadata": {**self.lease["metadata"], "resourceVersion": version}, "spec": wanted}

    def put(self, wanted):
        with self.lock:
            if self.before_put:
                self.before_put()
            if wanted["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                return 409
            if wanted != self.lease:
                self.write(**{**dict.fromkeys(self.lease.get("spec", {})), **wanted["spec"]})
            return 200

    @property
    def holder(self):
        return self.lease.get("spec", {}).get("holderIdentity")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer(200)

    def do_PUT(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(self.server.status or self.server.put(wanted))

    def answer(self, status):
        self.server.asked.append((self.command, self.path, self.headers["Authorization"]))
        status = self.server.status or status
        body = json.dumps(self.server.lease if status == 200 else {"kind": "Status", "code": status}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def kubernetes():
    with Kubernetes() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def account(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("first\n", encoding="ascii")
    monkeypatch.setattr(api_lease, "ACCOUNT_FOLDER", str(tmp_path))
    return tmp_path


class Pod:
    """One that may lead, with a clock of its own."""

    def __init__(self, server, host, uid="1", first=True):
        self.now = random.uniform(0, 1e6)
        place = server.server_address
        self.lease = ApiLease(
            PATH, host, uid, first, lambda: self.now, lambda: http.client.HTTPConnection(*place[:2], timeout=5)
        )

    def ask(self, takes=True, after=0.0):
        self.now += after
        vote = self.lease.ask(takes)
        assert vote.asked == self.now
        return vote.granted, vote.host


def test_nobody_has_a_new_one_and_the_first_who_takes_it_keeps_it(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    assert one.ask(takes=False) == other.ask(takes=False) == (False, None)
    assert one.ask() == (True, "kube-1")
    assert other.ask() == (False, "kube-1")
    for _ in range(10):
        assert one.ask(after=2) == (True, "kube-1")
        assert other.ask(after=2) == (False, "kube-1")
    spec = kubernetes.lease["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("kube-1_1", 15, 1)
    assert spec["renewTime"] > spec["acquireTime"]
    assert {(path, token) for _command, path, token in kubernetes.asked} == {(PATH, "Bearer first")}


def test_a_new_one_is_for_the_plans_leader_to_begin_with(kubernetes):
    other = Pod(kubernetes, "kube-2", first=False)
    assert other.ask() == other.ask(after=1000) == (False, "")
    assert Pod(kubernetes, "kube-1").ask() == (True, "kube-1")


def test_it_is_over_when_it_was_not_seen_to_change_for_long_enough_by_the_own_clock(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    other.ask(takes=False)
    one.ask()
    # It was taken long before the other sees that, whatever time stands in it.
    kubernetes.write(renewTime="1970-01-01T00:00:00.000000Z")
    assert other.ask(after=100) == (False, "kube-1")
    assert other.ask(after=14.9) == (False, "kube-1")
    kubernetes.write(renewTime="2999-01-01T00:00:00.000000Z")
    assert other.ask(after=0.1) == (False, "kube-1")
    assert other.ask(takes=False, after=15) == (False, None)
    assert other.ask() == (True, "kube-2")
    assert kubernetes.lease["spec"]["leaseTransitions"] == 2
    assert one.ask() == (False, "kube-2")


def test_of_one_that_never_changed_nobody_knows_whether_its_holder_is_there(kubernetes):
    kubernetes.write(holderIdentity="kube-1_1")
    other = Pod(kubernetes, "kube-2")
    assert [other.ask(takes=False, after=seconds) for seconds in (0, 10, 5)] == [
        (False, ""),
        (False, ""),
        (False, None),
    ]


def test_of_two_who_take_it_at_once_one_gets_it(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    kubernetes.before_put = lambda: (
        setattr(kubernetes, "before_put", None),
        kubernetes.write(holderIdentity="kube-2_1"),
    )
    with pytest.raises(DroverError, match="was written by somebody else in between"):
        one.ask()
    assert one.ask() == (False, "kube-2")
    assert other.ask() == (True, "kube-2")


def test_whoever_writes_something_else_into_it_takes_it_from_nobody(kubernetes):
    one = Pod(kubernetes, "kube-1")
    one.ask()
    kubernetes.before_put = lambda: (setattr(kubernetes, "before_put", None), kubernetes.write())
    with pytest.raises(DroverError):
        one.ask()
    assert one.ask() == (True, "kube-1")


def test_a_pod_goes_on_after_a_start_anew_and_another_of_its_node_waits(kubernetes):
    assert Pod(kubernetes, "kube-1", "1").ask() == (True, "kube-1")
    assert Pod(kubernetes, "kube-1", "1").ask() == (True, "kube-1")
    later = Pod(kubernetes, "kube-1", "2")
    assert later.ask() == (False, "")
    assert later.ask(after=15) == (True, "kube-1")
    assert kubernetes.holder == "kube-1_2"


def test_what_is_left_to_a_node_its_next_pod_has_at_once_and_others_later(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    other.ask(takes=False)
    one.ask()
    one.lease.give_back("kube-1")
    assert kubernetes.holder == "kube-1"
    assert one.ask() == (False, "kube-1")  # it has ended, whatever one of its threads still asks
    assert other.ask() == (False, "kube-1")
    assert Pod(kubernetes, "kube-1", "2").ask() == (True, "kube-1")


def test_what_is_left_to_anybody_whoever_comes_first_has(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    one.ask()
    other.lease.give_back("")  # not its own to give
    assert kubernetes.holder == "kube-1_1"
    one.lease.give_back("")
    assert "holderIdentity" not in kubernetes.lease["spec"]
    assert Pod(kubernetes, "kube-2").ask() == (True, "kube-2")


def test_the_token_is_another_one_in_a_while(kubernetes, account):
    one = Pod(kubernetes, "kube-1")
    one.ask()
    (account / "token").write_text("second", encoding="ascii")
    one.ask()
    assert kubernetes.asked[-1][2] == "Bearer second"
    (account / "token").unlink()
    with pytest.raises(DroverError, match="token cannot be read"):
        one.ask()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "Kubernetes' API answers 401 (Unauthorized) where"),
        (403, "Kubernetes' API answers 403 (Forbidden) where"),
        (404, "Kubernetes' API answers 404 (Not Found) where"),
        (500, "Kubernetes' API answers 500 (Internal Server Error) where"),
    ],
)
def test_what_the_api_refuses_is_one_sentence_and_no_grant(kubernetes, status, told):
    one = Pod(kubernetes, "kube-1")
    kubernetes.status = status
    with pytest.raises(DroverError) as raised:
        one.ask()
    assert str(raised.value).startswith(told) and str(raised.value).count(". ") == 0
    kubernetes.status = 0
    assert one.ask() == (True, "kube-1")


@pytest.mark.parametrize("lease", [[], "", {"metadata": []}, {"metadata": {}, "spec": 3}])
def test_what_is_no_lease_is_one_sentence(kubernetes, lease):
    kubernetes.lease = lease
    with pytest.raises(DroverError):
        Pod(kubernetes, "kube-1").ask()


def test_an_api_that_is_not_there_is_one_sentence(kubernetes):
    one = Pod(kubernetes, "kube-1")
    one.lease.connects = lambda: http.client.HTTPConnection("127.0.0.1", 1, timeout=1)
    with pytest.raises(DroverError, match=r"Kubernetes' API does not answer \(.*refused\)"):
        one.ask()


def test_a_write_that_makes_no_new_version_grants_nothing(kubernetes, monkeypatch):
    class Stopped(api_lease.datetime):
        @classmethod
        def now(cls, zone):
            return cls(2026, 1, 1, tzinfo=zone)

    one = Pod(kubernetes, "kube-1")
    monkeypatch.setattr(api_lease, "datetime", Stopped)
    assert one.ask() == (True, "kube-1")
    with pytest.raises(DroverError, match="no new version"):
        one.ask()


def certificate(folder, name):
    key, made = folder / f"{name}.key", folder / f"{name}.crt"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=api"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(made)]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    return made, key


def test_it_is_asked_by_tls_where_the_pod_is_told_and_nobody_else_is_trusted(kubernetes, account, monkeypatch):
    own, key = certificate(account, "own")
    stranger, _key = certificate(account, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    kubernetes.socket = context.wrap_socket(kubernetes.socket, server_side=True)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(kubernetes.server_address[1]))
    (account / "ca.crt").write_bytes(stranger.read_bytes())
    with pytest.raises(DroverError, match=r"Kubernetes' API does not answer.*CERTIFICATE_VERIFY_FAILED"):
        ApiLease(PATH, "kube-1", "1").ask(True)
    assert kubernetes.asked == []
    (account / "ca.crt").write_bytes(own.read_bytes())
    assert ApiLease(PATH, "kube-1", "1").ask(True).granted


def test_a_pod_that_is_told_of_no_api_says_so(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(DroverError, match="is not told where"):
        api_lease.connect()


# --- pods that may lead ---------------------------------------------------------------------------------------------

LEADERS = ["kube-1", "kube-2"]


@pytest.fixture
def clock(folders, monkeypatch):
    made = types.SimpleNamespace(now=1000.0, well=0.0)
    monkeypatch.setattr(standby, "boot_clock", lambda: made.now)
    monkeypatch.setattr(PodCandidate, "start", lambda self: self.made())
    monkeypatch.setattr(standby, "notify", lambda _line: setattr(made, "well", made.now))
    monkeypatch.setattr(PodCandidate, "tell", lambda _self, _leader: None)
    monkeypatch.setenv("DROVER_LEASE", PATH)
    return made


class Candidate:
    """A pod and the processes in it."""

    def __init__(self, server, clock, host, monkeypatch, uid="1"):
        self.server, self.clock, self.host, self.uid = server, clock, host, uid
        self.monkeypatch, self.alive, self.stuck, self.is_cut_off = monkeypatch, True, 0.0, False
        self.begin()

    def begin(self):
        root = DEPLOYMENTS["head"]
        root = {**root, "host": self.host, "healing": {**root["healing"], "leaders": LEADERS}}
        write(Cluster("main").members_path, MEMBERS)
        self.monkeypatch.setenv("DROVER_POD", self.uid)
        self.made = PodCandidate(Cluster("main"), standby.Tree(), root)
        self.made.lease.clock = lambda: self.clock.now
        self.made.lease.connects = lambda: http.client.HTTPConnection(*self.server.server_address[:2], timeout=5)
        self.made.made = Child
        self.next_ask, self.well = 0.0, self.clock.now

    def step(self):
        """What its threads do in a moment."""
        if not self.alive:
            return
        if self.clock.now < self.stuck:
            # Its watchdog ends it, and with it what it has started.
            if self.clock.now - self.well >= standby.STUCK_SECONDS:
                self.begin()
            return
        if self.clock.now >= self.next_ask and not self.is_cut_off:
            self.next_ask = self.clock.now + TERMS.renew_seconds
            self.made.ask(API, self.clock.now)
        self.clock.well = 0.0
        if self.made.look() is not None:
            self.begin()
        self.well = self.clock.well or self.well

    @property
    def leads(self):
        return self.made.child is not None and not self.made.child.killed


def run(clock, candidates, seconds):
    """Who has led in these seconds, one after the other. Two never do."""
    seen = []
    for _ in range(int(seconds * 4)):
        for each in candidates:
            each.step()
        leading = [each.host for each in candidates if each.leads]
        assert len(leading) <= 1, clock.now
        if leading and leading != seen[-1:]:
            seen += leading
        clock.now += 0.25
    return seen


def test_the_api_is_its_only_voter(kubernetes, clock, monkeypatch):
    made = Candidate(kubernetes, clock, "kube-1", monkeypatch).made
    assert (list(made.voters), made.own, made.members) == ([API], False, 1)


def test_the_leader_leads_and_a_standby_in_its_place_when_it_is_gone(kubernetes, clock, monkeypatch):
    one, other = (Candidate(kubernetes, clock, host, monkeypatch) for host in LEADERS)
    assert run(clock, [other, one], 100) == ["kube-1"]
    one.alive = False
    one.made.child.killed = True
    began = clock.now
    while not other.leads:
        run(clock, [other], 0.25)
    # The lease, and what it takes to see a change and to ask for it.
    assert TERMS.granted_seconds - 0.25 <= clock.now - began <= TERMS.granted_seconds + 2 * TERMS.renew_seconds + 1
    one.alive = True
    one.begin()
    assert run(clock, [other, one], 100) == ["kube-2"]


def test_a_standby_gives_the_leader_time_to_come(kubernetes, clock, monkeypatch):
    kubernetes.write(holderIdentity="kube-1_1")
    other = Candidate(kubernetes, clock, "kube-2", monkeypatch)
    assert run(clock, [other], TERMS.first_free_seconds - 1) == []
    assert run(clock, [other], 5) == ["kube-2"]


def test_an_api_that_is_away_for_longer_than_the_lease_ends_the_leader_in_time(kubernetes, clock, monkeypatch):
    one = Candidate(kubernetes, clock, "kube-1", monkeypatch)
    run(clock, [one], 20)
    child, began = one.made.child, clock.now
    kubernetes.status = 500
    codes = []
    monkeypatch.setattr(one, "begin", lambda: codes.append(clock.now))
    while not codes:
        run(clock, [one], 0.25)
    assert child.killed
    assert codes[0] - began <= TERMS.held_seconds < TERMS.granted_seconds


def test_once_an_api_that_was_away_is_back_whoever_led_before_comes_first(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    one.ask()
    other.ask(takes=False)
    one.ask()
    assert other.ask(takes=False) == (False, "kube-1")
    kubernetes.status = 500
    for seconds in (1, 20):
        with pytest.raises(DroverError):
            other.ask(after=seconds)
    kubernetes.status = 0
    assert other.ask() == (False, "kube-1")
    assert one.ask() == (True, "kube-1")


def test_a_short_failure_of_the_api_gives_nobody_time(kubernetes):
    one, other = Pod(kubernetes, "kube-1"), Pod(kubernetes, "kube-2")
    one.ask()
    other.ask(takes=False)
    kubernetes.status = 500
    with pytest.raises(DroverError):
        other.ask(after=10)
    kubernetes.status = 0
    assert other.ask(after=5) == (True, "kube-2")


def test_an_api_that_is_away_for_less_does_not(kubernetes, clock, monkeypatch):
    one = Candidate(kubernetes, clock, "kube-1", monkeypatch)
    run(clock, [one], 20)
    child = one.made.child
    kubernetes.status = 500
    run(clock, [one], 8)
    kubernetes.status = 0
    assert run(clock, [one], 20) == ["kube-1"]
    assert one.made.child is child


def test_one_whose_lease_another_has_ends_at_once(kubernetes, clock, monkeypatch):
    one = Candidate(kubernetes, clock, "kube-1", monkeypatch)
    run(clock, [one], 20)
    child = one.made.child
    kubernetes.write(holderIdentity="kube-2_1")
    one.made.ask(API, clock.now)
    assert one.made.look() == EX_TEMPFAIL
    assert child.killed


@pytest.mark.parametrize(("host", "left"), [("kube-1", "kube-1"), ("kube-2", None)])
def test_told_to_end_it_ends_all_and_leaves_the_lease(kubernetes, clock, monkeypatch, host, left):
    kubernetes.write(holderIdentity="kube-1_0")
    one = Candidate(kubernetes, clock, host, monkeypatch)
    run(clock, [one], 80)
    child = one.made.child
    one.made.end(signal.SIGTERM, None)
    assert one.made.look() == 128 + signal.SIGTERM
    assert child.killed
    assert kubernetes.holder == left


def test_the_leader_leads_again_when_the_pod_that_led_in_its_place_is_ended(kubernetes, clock, monkeypatch):
    kubernetes.write(holderIdentity="kube-1_0")
    one, other = (Candidate(kubernetes, clock, host, monkeypatch) for host in LEADERS)
    one.alive = False
    assert run(clock, [other], 80) == ["kube-2"]
    one.alive = True
    assert run(clock, [other, one], 60) == ["kube-2"]
    other.made.end(signal.SIGTERM, None)
    other.made.look()
    # Its next pod comes even before the leader looks.
    other.uid = "2"
    other.begin()
    assert run(clock, [other, one], 60) == ["kube-1"]


def test_what_the_api_says_is_told_once(kubernetes, clock, monkeypatch, capsys):
    one = Candidate(kubernetes, clock, "kube-1", monkeypatch)
    kubernetes.status = 403
    run(clock, [one], 20)
    assert capsys.readouterr().err.count("403 (Forbidden)") == 1


def test_the_worker_on_its_node_lets_go_of_what_it_held(kubernetes, clock, monkeypatch):
    asked = []

    class Agent:
        def __init__(self, host, address, port, secret):
            asked.append((host, address, port, secret))

        def let_go(self):
            asked.append("let go")

        give_up = close = lambda self: None

    monkeypatch.setattr(pod_standby, "Agent", Agent)
    made = Candidate(kubernetes, clock, "kube-2", monkeypatch).made
    made.let_go()
    assert asked == []
    monkeypatch.setenv("DROVER_AGENT", "kube-2.drover-main-workers.drover.svc:51052")
    made.let_go()
    assert asked == [("kube-2", "kube-2.drover-main-workers.drover.svc", 51052, made.secret), "let go"]


def test_the_service_manager_takes_nobody_for_stuck_who_waits_for_that():
    assert pod_standby.LET_GO_SECONDS <= standby.STUCK_SECONDS / 2


PARTS = [*range(2), *(pytest.param(part, marks=pytest.mark.long) for part in range(2, 20))]


@pytest.mark.parametrize("part", PARTS)
def test_whatever_happens_two_never_lead_and_somebody_does_in_the_end(kubernetes, clock, monkeypatch, part):
    led = 0
    for seed in range(part * 3, part * 3 + 3):
        chance = random.Random(seed)
        kubernetes.lease = {"kind": "Lease", "metadata": {"name": "a", "resourceVersion": "7"}}
        kubernetes.status = 0
        candidates = [Candidate(kubernetes, clock, host, monkeypatch) for host in LEADERS]
        until = clock.now + 400
        while clock.now < until:
            fault(chance, kubernetes, clock, chance.choice(candidates))
            run(clock, candidates, chance.uniform(0.25, 25))
        kubernetes.status = 0
        for each in candidates:
            each.alive, each.stuck, each.is_cut_off = True, 0.0, False
        led += bool(run(clock, candidates, 90))
        assert sum(each.leads for each in candidates) == 1, seed
    assert led == 3


def fault(chance, kubernetes, clock, candidate):
    kind = chance.random()
    if kind < 0.2:
        kubernetes.status = chance.choice([0, 0, 401, 500, 409])
    elif kind < 0.4:
        # A node without power, or its next pod.
        candidate.alive = not candidate.alive
        with contextlib.suppress(AttributeError):
            candidate.made.child.killed = True
        candidate.uid = str(chance.randint(1, 3))
        candidate.begin()
    elif kind < 0.6 and candidate.alive:
        candidate.made.end(signal.SIGTERM, None)
        candidate.step()
    elif kind < 0.7:
        candidate.is_cut_off = not candidate.is_cut_off
    elif kind < 0.85:
        candidate.stuck = clock.now + chance.uniform(0, 30)
    else:
        kubernetes.before_put = chance.choice(
            [None, lambda: (setattr(kubernetes, "before_put", None), kubernetes.write())]
        )
