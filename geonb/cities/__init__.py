"""Simulated cities: street-level pictures whose geography is planted, so that every estimate has a right answer.

fields: what varies over the ground; geography: streets, drives, names; renderer: pictures; captions: words for them.
"""
