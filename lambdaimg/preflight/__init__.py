"""What `check` looks at before anything is made: project, engine, account.

Each check gives findings; one that fails to look is a finding too, and the rest goes on.
"""
