"""What is measured, against what, and the last figures.

Each module here is a bench: `python -m bench.NAME` measures and writes `bench/results/NAME.md`
(see `report.write`). `python -m bench [NAME...]`, which is `make bench`, runs those named, or all,
and joins what they wrote into `bench/RESULTS.md`.
"""
