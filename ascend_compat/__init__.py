"""Static compatibility of checkpoints with vllm-ascend releases on Ascend NPUs."""
