"""Simulated cities with headroom: 28 independent traits that can be seen, where those of `simcities` have seven.

A photo of them tells enough about its place that methods can be told apart. A study shows them whose options say
`cities: headroom`; when all chapters do, this package replaces the modules of `simcities` of the same name. Whatever
need not differ is imported from there: the globe, the day, streets, saved worlds.

fields: the traits; houses: what stands along the streets for good; things: trees, lamps, cars and the like;
geography: a city and its drives; facades: what houses look like; ground: roads and pavements; renderer: pictures of all
that; captions: words for them; simulation: many cities drawn, painted and asked for their truth.
"""
