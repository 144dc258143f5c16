"""What a release calls the devices it is built for: its set-up script's table from chip versions to device types."""

from __future__ import annotations

import ast

from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Trees

SCRIPT = "setup.py"
TABLE = "soc_to_device"


def extract_devices(trees: Trees) -> dict[str, str]:
    """``{chip version: device type}``, empty for a release that decides at run time."""
    text = trees.read(SCRIPT)
    if text is None:
        trees.unfollowed.append(f"{SCRIPT}: not found")
        return {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        trees.unfollowed.append(f"{SCRIPT}: {type(error).__name__}")
        return {}
    for node in every(tree):
        named = isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == TABLE for t in node.targets)
        if named and isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {
                key.value: value.value
                for key, value in pairs
                if isinstance(key, ast.Constant)
                and isinstance(value, ast.Constant)
                and isinstance(key.value, str)
                and isinstance(value.value, str)
            }
    return {}
