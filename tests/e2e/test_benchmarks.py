"""The benchmarks run, at a size that costs little, and what they show is so."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from comfyclient.testing import OssServer

ROOT = Path(__file__).parents[2]
SIZE = 3_000_000


def benchmark(name: str) -> ModuleType:
    """A benchmark as a module."""
    spec = spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_storage(tmp_path: Path) -> None:
    """Each way of ours ends in the right file, whatever breaks; oss2 leaves another."""
    bench = benchmark("storage")
    root = tmp_path / "buckets"
    right = bench.made(root / bench.BUCKET / bench.KEY, SIZE)
    bench.made(tmp_path / "source.bin", SIZE)
    found = {}
    for words, way, fault in bench.ways(SIZE):
        target = tmp_path / "home.bin"
        with OssServer(root) as server:
            if fault is not None:
                server.fail("GetObject", fault)
            way(server.endpoint, server.key.id, server.key.secret, target)
        sent = root / bench.BUCKET / "bench/models/sent.bin"
        arrived = sent if way is bench.sending else target
        found[words] = bench.soundness(arrived, right)
        target.unlink(missing_ok=True)
    wrong = {words for words, sound in found.items() if sound != "right"}
    assert wrong == {"oss2 plain, a byte flipped"}
    assert len(found) == 9
