"""Simulated cities: street-level pictures whose geography is planted, so that every estimate has a right answer.

fields: what varies over the ground; geography: streets, parks, drives, names; buildings: what stands there for good;
things: trees, cars and people; day: what belongs to no place; renderer: pictures of all that, with facades; captions:
words for them; world: all of it in one file.
"""
