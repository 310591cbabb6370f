"""Ways to count anagrams, one a file, to be compared by ``compare-benchmarks``."""
