"""Layers and zip functions: the runtimes of `share/` for functions that are no images.

- `archive`: files as a zip with the same bytes everywhere, and the limits that Lambda sets
- `catalog`: what the layer of each language is made of, and what its base lacks; data
- `interpreter`: perl and php with all their libraries, taken out of an image that the engine builds
- `packing`: the layer of a language as an archive
- `publishing`: a layer version, unless one with the same content is there
"""
