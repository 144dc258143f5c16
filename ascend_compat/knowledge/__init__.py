"""The rule graph: load packs and curated rules, replay a release's decisions, match, explain, find the remedy."""
