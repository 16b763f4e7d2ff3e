# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


def files_in(files, folder):
    """The files of a model, as ``gguf_info`` returns them, as a deployment names them in this folder."""
    # What a web server says of a file's size may be less than it has, so that is not held against the file.
    return [
        {"path": f"{folder.rstrip('/')}/{file['name']}", "bytes": file["file_bytes"] if file["modified"] else None}
        for file in files
    ]


class FilterModule:
    def filters(self):
        return {"files_in": files_in}
