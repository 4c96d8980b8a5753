"""The rulebook: versions of rules, which are in force, and back-tests of what a rule would have done."""
