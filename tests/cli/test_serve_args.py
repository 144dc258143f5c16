"""A vllm serve command as launch options."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.cli import options
from ascend_compat.cli.serve_args import parse
from ascend_compat.core.target import LaunchProfile


def profile(*words: str) -> LaunchProfile:
    parser = argparse.ArgumentParser()
    options.add_launch(parser)
    return options.profile(parser.parse_args(list(words)))


def test_a_whole_command_fills_the_profile() -> None:
    command = """export HCCL_BUFFSIZE=1024 VLLM_USE_X=1 vllm serve /models/x \\
        -tp 8 --data_parallel_size=2 --enable-expert-parallel --max-model-len 32768 --no-enable-prefix-caching
        --speculative-config '{"method": "mtp", "num_speculative_tokens": 1}' --tool-call-parser glm47
        --trust-remote-code --gpu-memory-utilization 0.95  # a comment"""
    found = profile("--serve-args", command)
    assert (found.tp, found.dp, found.ep, found.max_model_len) == (8, 2, True, 32768)
    assert found.enable_prefix_caching is False and found.gpu_memory_utilization == 0.95
    assert found.speculative == {"method": "mtp", "num_speculative_tokens": 1}
    assert found.flags == {"--tool-call-parser": "glm47", "--trust-remote-code": None}
    assert found.environment == {"HCCL_BUFFSIZE": "1024", "VLLM_USE_X": "1"}


def test_what_a_whole_command_leaves_out_is_the_default_of_the_engine() -> None:
    whole = profile("--serve-args", "VLLM_USE_X=1 vllm serve /models/x --max-model-len 32K")
    assert (whole.tp, whole.dp, whole.pp, whole.ep) == (1, 1, 1, False)
    flags = profile("--serve-args=--max-model-len 32k")
    assert (flags.tp, flags.dp, flags.pp, flags.ep) == (None, None, None, None)
    older = profile("--serve-args", "python -m vllm.entrypoints.openai.api_server --model x -tp 4")
    assert (older.tp, older.dp) == (4, 1)


def test_flags_with_dots_set_keys_of_an_object() -> None:
    words = "--speculative-config.method mtp --speculative-config.num_speculative_tokens 2"
    found = profile("--serve-args", f"{words} --additional-config.eplb_config.num_redundant_experts=16")
    assert found.speculative == {"method": "mtp", "num_speculative_tokens": 2}
    assert found.additional_config == {"eplb_config": {"num_redundant_experts": 16}}


@pytest.mark.parametrize(
    ("text", "tokens"), [("32k", 32_000), ("32K", 32_768), ("25.6k", 25_600), ("1M", 1_048_576), ("4096", 4096)]
)
def test_sizes_with_a_suffix_are_read_as_vllm_reads_them(text: str, tokens: int) -> None:
    assert profile("--max-model-len", text).max_model_len == tokens
    assert profile("--serve-args", f"--max-num-batched-tokens {text}").max_num_batched_tokens == tokens


@pytest.mark.parametrize("text", ["9" * 400, "9" * 400 + "k", "9" * 5000 + "K", str(2**63), "9G" * 2, "8388608T"])
@pytest.mark.parametrize("option", ["--max-model-len", "--max-num-batched-tokens", "--kv-cache-memory-bytes"])
def test_a_size_that_no_engine_can_hold_is_refused(option: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        profile(option, text)
    assert caught.value.code == 2 and "is not a whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--tp", "4", "--serve-args", "-tp 8"), ("--serve-args", "-tp 8", "--tp", "4")])
def test_an_option_of_its_own_wins(words: tuple[str, ...]) -> None:
    assert profile(*words).tp == 4


def test_expert_parallel_can_be_turned_off_beside_a_command() -> None:
    assert profile("--serve-args=--enable-expert-parallel", "--no-ep").ep is False


@pytest.mark.parametrize(
    "text",
    [
        "-tp zero",
        "--max-num-seqs 0",
        "--max-model-len 1.5K",
        "--max-model-len k",
        "--max-model-len 0k",
        "-tp",
        "--speculative-config {",
        "'open",
    ],
)
def test_what_vllm_would_refuse_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        profile(f"--serve-args={text}")
    assert stop.value.code == 2
    assert "--serve-args" in capsys.readouterr().err


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found: dict[str, Any] = parse(text, {})
    except argparse.ArgumentTypeError:
        return
    assert isinstance(found["flags"], dict)
