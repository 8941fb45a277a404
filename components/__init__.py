"""The platform's Pulumi components, one typed ComponentResource a file.

`components.settings` is the only reader of the stack's configuration; `__main__.py` builds the components in the
order of the data's way and hands each one the outputs that it needs.
"""
