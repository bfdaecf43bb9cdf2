"""The runtime against AWS's Python client: cost per event, cold start, size of the image.

- `server`: the least Runtime API there can be, and what it sees of its client.
- `clients/`: handlers, and a bare-socket loop as the floor to compare with.
- `events`: cost per event. `coldstart`: start to first `next`. `sizes`: what the image holds.
- `__main__`: runs them and writes the tables.
"""
