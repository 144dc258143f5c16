"""The server as commands: environment, launch per node, health check, smoke requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ascend_compat.core.report import LaunchPart
from ascend_compat.report.escape import VARIABLE, shell
from ascend_compat.report.view import Sentence, View, code, joined, plain

_DEFAULT_PORT = "8000"
_BASE = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Smoke:
    """One request to a running server; ``name`` has a label ``view.smoke.<name>``."""

    name: str
    command: str


def exports(launch: LaunchPart) -> str:
    """``export NAME=value`` lines in the order of the plan."""
    return "\n".join(f"export {shell([name])}={shell([value])}" for name, value in launch.env.items())


def variables(view: View) -> Sentence:
    """The variables that have to be set on each node before the commands, with their meaning; empty without any."""
    launch = view.doc.launch
    words = [*launch.env.values(), *(word for argv in nodes(launch) for word in argv)] if launch else []
    found: list[Sentence] = []
    for name in dict.fromkeys(word[1:] for word in words if VARIABLE.fullmatch(word)):
        meaning = view.choice("variable", name)
        found.append(joined(code(name), plain(f"({meaning})")) if meaning != name else code(name))
    return joined(view.say("launch.variables"), joined(*found, between=", ")) if found else ()


def command(argv: list[str]) -> str:
    """A shell command with one option and its value per line."""
    lines: list[list[str]] = [[]]
    for word in argv:
        if word.startswith("--") and lines[0]:
            lines.append([word])
        else:
            lines[-1].append(word)
    return " \\\n  ".join(shell(line) for line in lines)


def nodes(launch: LaunchPart) -> list[list[str]]:
    """The argument vector of every node; a single node runs ``argv``."""
    return launch.nodes or [launch.argv]


def option(launch: LaunchPart | None, name: str) -> str | None:
    """The value of ``--name`` in the launch command, ``""`` for a bare flag, ``None`` when it is not there."""
    argv = launch.argv if launch else []
    for index, word in enumerate(argv):
        if word.startswith(f"{name}="):
            return word[len(name) + 1 :]
        if word == name:
            following = argv[index + 1] if index + 1 < len(argv) else "--"
            return "" if following.startswith("--") else following
    return None


def port(view: View) -> str:
    """The port of the launch command, else vLLM's default."""
    return option(view.doc.launch, "--port") or _DEFAULT_PORT


def served_name(view: View) -> str:
    """The name requests have to use: ``--served-model-name``, else the path given to ``vllm serve``."""
    launch = view.doc.launch
    given = option(launch, "--served-model-name")
    if given or launch is None:
        return given or view.doc.model.name
    return launch.argv[2] if launch.argv[:2] == ["vllm", "serve"] and len(launch.argv) > 2 else view.doc.model.name


def health(view: View) -> str:
    """Wait until the server answers."""
    return f"until curl -sf {_BASE}:{port(view)}/health; do sleep 10; done"


def smoke(view: View) -> list[Smoke]:
    """The requests that show the server works, from the plainest to the ones that need a feature."""
    question = view.word("smoke.question")
    requests = [
        Smoke("models", f"curl -sf {_BASE}:{port(view)}/v1/models"),
        Smoke("chat", _post(view, {"messages": [{"role": "user", "content": question}], "max_tokens": 64})),
        Smoke("tools", _post(view, _tool_request(view))),
    ]
    if "image" in view.doc.architecture.modalities or "vision" in view.doc.architecture.modalities:
        requests.append(Smoke("image", _post(view, _image_request(view))))
    return requests


def has_tools(view: View) -> bool:
    """Whether the launch command enables tool calling."""
    return option(view.doc.launch, "--tool-call-parser") is not None


def _post(view: View, body: dict[str, Any]) -> str:
    request = json.dumps({"model": served_name(view), **body, "temperature": 0}, ensure_ascii=False, indent=2)
    quoted = request.replace("'", "'\\''")
    url = f"{_BASE}:{port(view)}/v1/chat/completions"
    return f"curl -s {url} \\\n  -H 'Content-Type: application/json' \\\n  -d '{quoted}'"


def _tool_request(view: View) -> dict[str, Any]:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": city}}
    message = {"role": "user", "content": view.word("smoke.tool_question")}
    return {"messages": [message], "tools": [tool], "tool_choice": "auto", "max_tokens": 128}


def _image_request(view: View) -> dict[str, Any]:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/picture.jpg"}}
    content = [picture, {"type": "text", "text": view.word("smoke.image_question")}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 64}
