#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_certificate
short_description: Have a certificate for a gateway from a small authority of the cluster's own
version_added: "0.2.0"
description:
  - One host keeps the authority. Every gateway makes a private key, which never leaves it, and a request, and gets the
    certificate back.
  - Does nothing while the certificate that is there is by the same authority, for the same names, and valid for 60 more
    days.
  - Needs the program C(openssl).
options:
  folder:
    description: Where the files are.
    type: path
    required: true
  part:
    description:
      - V(authority) has the authority there and returns its certificate.
      - V(request) returns what the authority is to sign, if something is.
      - V(sign) signs it, where the authority is.
      - V(install) puts the certificate in place.
    type: str
    choices: [authority, request, sign, install]
    required: true
  name:
    description: What the authority is called. Needed for V(authority).
    type: str
  names:
    description: The host names and addresses that the certificate is for. Needed for V(request) and V(sign).
    type: list
    elements: str
    default: []
  authority:
    description: The certificate of the authority. Needed for V(install), and for V(request) once there is one.
    type: str
    default: ""
  request:
    description: What V(request) returned. Needed for V(sign).
    type: str
  certificate:
    description: What V(sign) returned. Needed for V(install).
    type: str
  group:
    description: The group that may read what HAProxy reads. Needed for V(install).
    type: str
attributes:
  check_mode:
    description: Can run in check mode and tells what it would make.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
notes:
  - Run it as root.
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Have the authority
  drover.llama.gateway_certificate:
    folder: /etc/drover/main/gateway
    part: authority
    name: Drover main
  register: authority
  run_once: true

- name: See whether this host needs a certificate
  drover.llama.gateway_certificate:
    folder: /etc/drover/main/gateway
    part: request
    names: [pi-1, 192.168.1.20]
    authority: "{{ authority.certificate }}"
  register: asked
"""

RETURN = r"""
certificate:
  description: The certificate of the authority, or the one that was signed.
  returned: for V(authority) and V(sign)
  type: str
  sample: "-----BEGIN CERTIFICATE-----"
request:
  description: What is to be signed; empty where nothing is.
  returned: for V(request)
  type: str
  sample: "-----BEGIN CERTIFICATE REQUEST-----"
"""

import grp

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gateway.certificate import Certificates


def do_part(module, given):
    certificates = Certificates(given["folder"], module.run_command, pretend=module.check_mode)
    if given["part"] == "authority":
        changed, certificate = certificates.authority(given["name"])
        return {"changed": changed, "certificate": certificate}
    if given["part"] == "request":
        request = certificates.request(given["names"], given["authority"])
        return {"changed": bool(request), "request": request}
    if given["part"] == "sign":
        signed = "" if module.check_mode else certificates.sign(given["request"], given["names"])
        return {"changed": False, "certificate": signed}
    if not module.check_mode:
        certificates.install(given["certificate"], given["authority"], grp.getgrnam(given["group"]).gr_gid)
    return {"changed": True}


def main():
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "part": {"type": "str", "choices": ["authority", "request", "sign", "install"], "required": True},
            "name": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
            "authority": {"type": "str", "default": ""},
            "request": {"type": "str"},
            "certificate": {"type": "str"},
            "group": {"type": "str"},
        },
        required_if=[
            ("part", "authority", ["name"]),
            ("part", "sign", ["request"]),
            ("part", "install", ["certificate", "group"]),
        ],
        supports_check_mode=True,
    )
    try:
        result = do_part(module, module.params)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
