"""How long commands take that have little or nothing to do, against interpreters and other tools.

- `__main__`: runs them in turn and writes the table.
"""
