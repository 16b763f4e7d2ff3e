# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.weights.sources import read_sources

TENSOR = {"hash": "0" * 16, "shard": 1, "offset": 77}


@pytest.mark.parametrize(
    ("source", "name", "offset"),
    [
        ({"files": ["http://a/1.gguf", "https://b/2.gguf?X=sig"]}, "https://b/2.gguf", 77),
        ({"cache": "http://a:50060"}, "http://a:50060/0000000000000000", 0),
        ({"cache": "http://a/tensors/", "token": "t"}, "http://a/tensors/0000000000000000", 0),
    ],
)
def test_where_a_tensor_is(source, name, offset):
    file, found = read_sources([source], 2)[0].open(TENSOR)
    assert (file.name, found) == (name, offset)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "no list with a source"),
        ({"files": []}, "no list with a source"),
        (["http://a/"], "sources[0] is 'str'"),
        ([{}], "files or cache, and not both"),
        ([{"files": ["http://a/1", "http://a/2"], "cache": "http://a"}], "files or cache, and not both"),
        ([{"files": ["http://a/1"]}], "a URL for each of 2 files"),
        ([{"files": "http://a/1"}], "a URL for each of 2 files"),
        ([{"files": [5, 6]}], "A URL of sources[0] is 5"),
        ([{"cache": ""}], "not empty"),
        ([{"cache": "file:///etc/"}], "expected http://HOST/"),
        ([{"cache": "http://user:hunter2@a/"}], "comes with a user name"),
        ([{"cache": "http://a/"}, {"cache": "http://a/", "token": ["hunter2"]}], "The token of sources[1] is no text"),
    ],
)
def test_what_is_wrong_in_one_sentence(value, words):
    with pytest.raises(DroverError) as caught:
        read_sources(value, 2)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
