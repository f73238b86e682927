"""The peers, one file each, in that library's own idiom; `python -m benchmarks.contestants.NAME '<work as JSON>'`.

Each does the same work with the same images and prints one line of JSON (`benchmarks.work.tell_outcome`).
"""
