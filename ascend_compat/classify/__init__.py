"""From what a checkpoint says to what it means: attention, experts, MTP, towers, quantization."""
