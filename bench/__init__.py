"""Speed as ratios: each module measures us and a peer in one run. README.md has a line for each."""
