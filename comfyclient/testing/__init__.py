"""A test kit for code that talks to ComfyUI: servers that misbehave on demand.

`docs/testing.md` shows how; `comfyclient.testing.plugin` has it as pytest fixtures.
What this page lists is public. Nothing heavy is imported: the embedded engine and the
test nodes (`comfyclient.testing.nodes`) need the extra `local`.
"""

from __future__ import annotations

from .accounts import Accounts, Execution
from .bench import Bench
from .clock import FakeClock, HastyClock
from .dashscope import DashScopeServer
from .dashscope_play import Paints, Refuses, Says
from .eas_frames import QueueFrame
from .eas_gateway import EasGateway
from .eas_inference import Produced
from .fault_proxy import FaultProxy
from .http_wire import Reply, Request
from .offers import offered
from .oss_answers import OssFault
from .oss_server import OssRequest, OssServer
from .oss_signing import OssKey
from .play import (
    AwaitLooks,
    AwaitSocket,
    Broadcast,
    Deafen,
    DropSockets,
    ForgetHistory,
    Hang,
    Hold,
    Interrupt,
    KillWorker,
    Play,
    Raw,
    Restart,
    ScriptedJob,
    Silence,
    Sleep,
    Step,
    Stop,
    Store,
    ending,
    failing,
    usual,
)
from .script import Script
from .scripted import ScriptedServer

__all__ = [
    "Accounts",
    "AwaitLooks",
    "AwaitSocket",
    "Bench",
    "Broadcast",
    "DashScopeServer",
    "Deafen",
    "DropSockets",
    "EasGateway",
    "Execution",
    "FakeClock",
    "FaultProxy",
    "ForgetHistory",
    "Hang",
    "HastyClock",
    "Hold",
    "Interrupt",
    "KillWorker",
    "OssFault",
    "OssKey",
    "OssRequest",
    "OssServer",
    "Paints",
    "Play",
    "Produced",
    "QueueFrame",
    "Raw",
    "Refuses",
    "Reply",
    "Request",
    "Restart",
    "Says",
    "Script",
    "ScriptedJob",
    "ScriptedServer",
    "Silence",
    "Sleep",
    "Step",
    "Stop",
    "Store",
    "ending",
    "failing",
    "offered",
    "usual",
]
