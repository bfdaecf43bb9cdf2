"""Every language's runtime, and AWS's own Python client, in the same container set-up.

- `images`: builds an image per contender from the kit's scaffolds, with the handlers in `handlers`
- `api`: the least Runtime API there can be, which takes the times
- `measure`: containers, their CPU, cold starts, rounds of events
- `picture`: the figures as an SVG
- `__main__`: runs it and writes the table and the picture
"""
