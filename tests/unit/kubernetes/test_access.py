# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Drover must be allowed to do is asked for and named."""

from __future__ import annotations

import kubernetes_validate
import pytest
from module_utils.kubernetes.access import access_faults, reviews

from .objects import settings


def asked(**wishes):
    found = set()
    for each in reviews(settings(**wishes)):
        attributes = each["spec"]["resourceAttributes"]
        where = attributes.get("namespace", "*")
        found.add((attributes.get("group", ""), attributes["resource"], attributes["verb"], where))
    return found


def answered(refused, **wishes):
    """The reviews as the API answers them to somebody who may do all but ``refused`` (resource, verb)."""
    return [
        {
            **each,
            "status": {
                "allowed": (each["spec"]["resourceAttributes"]["resource"], each["spec"]["resourceAttributes"]["verb"])
                not in refused
            },
        }
        for each in reviews(settings(**wishes))
    ]


def test_reviews_are_what_the_api_takes():
    for each in reviews(settings(ingress={"host": "a.lan"}, model={"file": "m", "claim": "c"}))[::15]:
        kubernetes_validate.validate(each, "1.37.0", strict=True)


@pytest.mark.parametrize(
    ("wishes", "resource"),
    [
        ({"ingress": {"host": "a.lan"}}, "ingresses"),
        ({"http_route": {"gateway": "lan"}}, "httproutes"),
        ({"model": {"file": "m", "claim": "c"}}, "persistentvolumeclaims"),
        ({"healing": True, "standby": 1}, "roles"),
        ({"healing": True, "standby": 1}, "rolebindings"),
        ({"healing": True, "standby": 1}, "leases"),
    ],
)
def test_what_is_wished_for_is_asked_for(wishes, resource):
    assert resource not in {name for _group, name, _verb, _where in asked()}
    assert resource in {name for _group, name, _verb, _where in asked(**wishes)}


@pytest.mark.parametrize(
    ("wishes", "resource"),
    [
        ({"service_account": "own"}, "serviceaccounts"),
        ({"host_network": True}, "networkpolicies"),
    ],
)
def test_what_is_not_made_is_not_asked_for(wishes, resource):
    assert resource in {name for _group, name, _verb, _where in asked()}
    assert resource not in {name for _group, name, _verb, _where in asked(**wishes)}


def test_a_right_is_given_by_who_has_it():
    found = asked(healing=True, standby=1)
    for verb in ("get", "update"):
        assert ("coordination.k8s.io", "leases", verb, "drover") in found


def test_a_namespace_that_is_there_need_not_be_made():
    assert ("", "namespaces", "create", "*") in asked()
    assert "namespaces" not in {name for _group, name, _verb, _where in asked(create_namespace=False)}


def test_everything_is_allowed():
    assert access_faults(answered(set())) == []


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (
            {("deployments", "create"), ("deployments", "patch")},
            "The kubeconfig's user may not create nor patch deployments.apps in the namespace drover: have that "
            "granted by a Role, or use another context.",
        ),
        (
            {("nodes", "list")},
            "The kubeconfig's user may not list nodes in all of the cluster: have that granted by a ClusterRole, or "
            "use another context.",
        ),
    ],
)
def test_what_is_refused_is_named(refused, told):
    assert access_faults(answered(refused)) == [told]


def test_an_answer_without_a_status_is_no_yes():
    assert len(access_faults(reviews(settings())[:1])) == 1
    (told,) = access_faults(
        each for each in answered({("pods", "create")}) if "subresource" in each["spec"]["resourceAttributes"]
    )
    assert told.startswith("The kubeconfig's user may not create pods/exec in the namespace drover:")
