"""The kinds of checks: what each asks, what may be wrong, what helps. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of check, as `docs/doctor.md` lists it."""

    hop: str
    """The part of the way that it is about."""
    asks: str
    wrong: str
    """What may be wrong."""
    remedy: str
    writes: bool = False
    """Whether it writes something, and so runs with `--write-probe` only."""


_MACHINE = "this machine"
_HOST = "client → any host"
_GATEWAY = "client → gateway"
_SERVICE = "gateway → service"
_STORAGE = "client → storage"
_SHARED = "service → storage"
_MODELS = "client → DashScope"
_FROM_SERVICE = "service → DashScope"
_REGIONS = "region against region"

KINDS: dict[str, Kind] = {
    "tokens": Kind(
        _MACHINE,
        "Are the variables and files there that tokens are read from?",
        "a variable is not set in this shell or unit; a file is empty or not readable",
        "set what `token_env` names, or let the process read `token_file`",
    ),
    "templates": Kind(
        _MACHINE,
        "Does every template that the environment pins resolve to what is locked?",
        "a version is not there, was changed after it was locked, or is out of range",
        "`comfyclient pins verify`; restore its folder, or lock another version",
    ),
    "ledger": Kind(
        _MACHINE,
        "Can the ledger be opened, and is its version known? Nothing is migrated.",
        "its folder is not writable; it was written by a newer version; no driver",
        "`environments.<name>.ledger`; for PostgreSQL, the driver and the grants",
    ),
    "disk": Kind(
        _MACHINE,
        "Is there room where the ledger and temporary files are?",
        "the disk is full or nearly so",
        "free some, or point `ledger` and `TMPDIR` elsewhere",
    ),
    "dns": Kind(
        _HOST,
        "Does the host's name resolve here?",
        "a typing error; a VPC name asked outside the VPC; no DNS",
        "the public address from outside; the VPC one only from inside its region",
    ),
    "tcp": Kind(
        _HOST,
        "Does the port accept connections?",
        "a firewall, a security group, a whitelist; a VPC address from outside",
        "open outbound traffic to it; the public address; the proxy's variables",
    ),
    "tls": Kind(
        _HOST,
        "Is the certificate valid, for this name, and for how long?",
        "a private authority; another name; expired; a clock that is off",
        "`tls.ca_file` of the instance; the name that the certificate has",
    ),
    "token": Kind(
        _GATEWAY,
        "Does the gateway take the token, and does it refuse to work without one?",
        "another service's token; `Bearer` where the bare token is wanted",
        "copy it from the service's call information; `token_scheme`",
    ),
    "clock": Kind(
        _HOST,
        "How far is this clock from the server's?",
        "no NTP; OSS refuses signatures that are 15 minutes off",
        "set the clock by NTP",
    ),
    "edition": Kind(
        _SERVICE,
        "Which edition answers there: a ComfyUI, a queue, or neither?",
        "`transport` says another one; Serverless and Cluster have no API; wrong path",
        "`transport` of the environment; the URL without what follows the service",
    ),
    "version": Kind(
        _SERVICE,
        "Is the server's ComfyUI in the range that environment and templates want?",
        "another image tag than in the environment that the template was made in",
        "the image of the service, or `comfyui_version`",
    ),
    "websocket": Kind(
        _SERVICE,
        "Does a websocket pass the gateway?",
        "a proxy or gateway that lets none through",
        "none is needed: polling is enough; `poll_only` saves the try",
    ),
    "queue": Kind(
        _SERVICE,
        "How many jobs wait, and does anybody read the results?",
        "an unread sink stops the whole service; a full queue takes nothing more",
        "run a client that reads them; more instances",
    ),
    "payload": Kind(
        _SERVICE,
        "Do the pinned templates' graphs fit into the queue's limit?",
        "a graph is larger than `meta.maxPayloadBytes` allows",
        "a smaller graph; pictures go by storage, never inline",
    ),
    "nodes": Kind(
        _SERVICE,
        "Would the server run every pinned template: node classes and model files?",
        "a pack or a model is not there, or was uploaded after the start",
        "`comfyclient eas layout --check`, `--push`, and then restart the service",
    ),
    "storage": Kind(
        _STORAGE,
        "Can the storage be opened: packages, credentials, the mounted folder?",
        "`oss2` is not installed; no credentials; the folder is not mounted here",
        "`pip install 'comfyclient[oss]'`; the variables of the access key; the mount",
    ),
    "list": Kind(
        _STORAGE,
        "May this client list below the environment's prefix?",
        "no grant; a policy for another prefix; a bucket of another region",
        "RAM action `oss:ListObjects` on the bucket, with a condition on the prefix: "
        "`comfyclient eas access --policy` writes the policy",
    ),
    "read": Kind(
        _STORAGE,
        "May it read an output?",
        "no grant for objects below the prefix",
        "RAM action `oss:GetObject` on `<bucket>/<prefix>/output/*`",
    ),
    "write": Kind(
        _STORAGE,
        "May it write an input, and delete it again?",
        "no grant; another environment's storage, which is only read",
        "RAM actions `oss:PutObject` and `oss:DeleteObject` on "
        "`<bucket>/<prefix>/input/*`",
        writes=True,
    ),
    "round-trip": Kind(
        _SHARED,
        "Does a file that the service writes arrive in the storage that we read?",
        "the service mounts another bucket or prefix, or none; `--data-dir` is missing",
        "`comfyclient eas spec --check`: `storage` and `--data-dir` of the service",
        writes=True,
    ),
    "region": Kind(
        _REGIONS,
        "Are service, bucket and configuration in one region?",
        "a bucket of another region cannot be mounted",
        "`region` and `storage.endpoint`; a bucket in the service's region",
    ),
    "key": Kind(
        _MODELS,
        "Does DashScope take the key? It is asked for a task that there is not.",
        "no key, a wrong one, or one of another region's host",
        "`DASHSCOPE_API_KEY`; a key and a host of the same region",
    ),
    "model": Kind(
        _MODELS,
        "Is each configured name a model's that was not retired? Nobody is asked.",
        "the model was retired, or the name never was a model's",
        "another name in `[dashscope]`, or an alias for the old one",
    ),
    "model answers": Kind(
        _MODELS,
        "Does each text and vision model answer with one token, which is paid?",
        "the account may not use it; the quota is used up; the bill is not paid",
        "activate the model for the key's workspace in the Model Studio console",
        writes=True,
    ),
    "result bucket": Kind(
        _MODELS,
        "Are the buckets reached that Wan leaves its pictures in?",
        "they are in regions that nobody chooses, and are read over the internet",
        "allow outbound https to `dashscope-result-*.oss-*.aliyuncs.com`",
    ),
    "egress": Kind(
        _FROM_SERVICE,
        "Do nodes of the pinned templates call out of the service?",
        "a service has no internet of its own",
        "`cloud.networking` with a vSwitch whose VPC has an internet NAT gateway, an "
        "EIP and an SNAT entry",
    ),
    "calling out": Kind(
        _FROM_SERVICE,
        "Does a `QwenText` node get an answer of one token, from inside the service?",
        "no way to the internet; no key in the service's own environment",
        "as for `egress`; `DASHSCOPE_API_KEY_FILE_PATH` of the service, with a file of "
        "the mount",
        writes=True,
    ),
}
"""By name; in the order of the way."""
