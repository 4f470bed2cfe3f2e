"""How the tests paint."""

from __future__ import annotations

from collections.abc import Callable

from comfyclient.steps.painter import Painted

WAN = "wan2.2-t2i-flash"
ALIYUN = ("dashscope-result-*.oss-*.aliyuncs.com",)
SMALL = {"size": "512*512"}
Paint = Callable[..., Painted]
