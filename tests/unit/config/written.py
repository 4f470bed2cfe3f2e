"""A configuration file of two environments."""

from __future__ import annotations

FILE = """\
default_environment = "test"
[environments.test]
region = "cn-shanghai"
pins = { trip-postcard = "~=1.0" }
[[environments.test.instances]]
name = "l20-a"
url = "http://a"
headers = { X-Trace = "on" }
[[environments.test.instances]]
name = "l20.b"
url = "http://b"
[environments.test.deadlines]
total_s = 900
[environments.prod-eu]
instances = [{ name = "p", url = "http://p" }]
"""
