"""How fast Parley is, beside what would be possible: `make bench`. docs/performance.md says what is measured."""
