"""Source trees to rule packs, by ``ast`` alone: nothing of a tree is imported or executed."""
