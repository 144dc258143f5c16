"""What an answer costs, in CPU seconds and as ratios within one run: a changed source tree, a check, a matrix.

A source tree is compared with parsing the files that its analysis reads and nothing more, a check and a matrix with
reading one pack. Caches are left aside. Usage: ``python benchmarks/speed.py MODEL [--vllm-ascend TREE --vllm TREE]``.
"""

from __future__ import annotations

import argparse
import ast
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ascend_compat import analyze
from ascend_compat.api import matrix
from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.extract.build import build_pack
from ascend_compat.knowledge.load import Rules, read_pack
from ascend_compat.knowledge.walked import asked
from ascend_compat.location import rules_directory
from ascend_compat.source.spec import open_source


def seconds(run: Callable[[], Any]) -> float:
    """CPU time of a call, what it leaves behind thrown away."""
    start = time.process_time()
    run()
    return time.process_time() - start


def line(name: str, spent: float, unit: str, one: float) -> None:
    """One row: seconds, and how many units of comparison they are."""
    print(f"{name:<34}{spent:7.2f} s  {spent / one:6.1f} x {unit}")


def tree(model: str, vllm_ascend: Path, vllm: Path) -> None:
    """The pack of a tree for one model's architectures, and for all of them."""
    facts = configured(read_checkpoint(open_source(model)))
    names = asked(facts.config, classify(facts).architecture)
    texts: list[str] = []
    parse = ast.parse

    def noted(text: str, *args: Any, **keywords: Any) -> ast.AST:
        texts.append(text)
        return parse(text, *args, **keywords)

    with patch("ast.parse", noted):
        build_pack(vllm_ascend, vllm, only=names)
    size = sum(map(len, texts)) >> 10
    one = seconds(lambda: [parse(text) for text in texts if text.endswith("\n")])
    line(f"parse {len(texts)} texts, {size} KiB", one, "parse", one)
    line("the tree, one architecture", seconds(lambda: build_pack(vllm_ascend, vllm, only=names)), "parse", one)
    line("the tree, every architecture", seconds(lambda: build_pack(vllm_ascend, vllm)), "parse", one)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--vllm-ascend", type=Path)
    parser.add_argument("--vllm", type=Path)
    args = parser.parse_args()
    gc.disable()  # as the command does
    rules = Rules(rules_directory(None))
    newest = rules.file(rules.releases()[-1])
    one = seconds(lambda: read_pack(newest))
    line(f"read the pack of {rules.releases()[-1]}", one, "pack", one)
    line("read the checkpoint", seconds(lambda: read_checkpoint(open_source(args.model))), "pack", one)
    line("check", seconds(lambda: analyze(args.model)), "pack", one)
    line("matrix", seconds(lambda: matrix(args.model)), "pack", one)
    if args.vllm_ascend and args.vllm:
        tree(args.model, args.vllm_ascend, args.vllm)


if __name__ == "__main__":
    main()
