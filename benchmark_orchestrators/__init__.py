"""Ways to count anagrams, one a file, which ``compare-benchmarks`` compares."""
