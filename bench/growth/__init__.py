"""How the times grow with the number of functions in a project, and with the image's size.

All functions share one image and differ in their command, which is the common case. The image's
bulk is random data in a base image, which nothing can compress: it is pushed once, and then in the
way of nobody who does it right.
"""
