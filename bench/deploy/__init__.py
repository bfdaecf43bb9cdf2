"""From a saved file to the new code live: the kit, a Makefile with the AWS CLI, the SDK's floor.

- `Makefile`, `floor.py`: the two that the kit is compared with; both do the same steps.
- `contenders`: how each is told to do what.
- `wire`: a relay that counts calls and bytes, for a run that is not timed.
- `growth`: many functions in one project, and large images.
- `__main__`: runs them in turn and writes the tables.
"""
