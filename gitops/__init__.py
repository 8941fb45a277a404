"""The decisions of the delivery pipeline: what a preview says, what may be promoted, what has drifted.

Workflows call `python -m gitops COMMAND`; each command reads files that `pulumi` or `git` wrote, so that the same
command runs on a laptop over the file backend. Only `gitops.github` talks to a network.
"""
