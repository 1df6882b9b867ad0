"""Rewrites by topic: each module holds small classes, each one rewrite."""
