"""The README says what is published, and names commands that exist."""

import json
import re

from geonb.book import results
from geonb.book.page_dependencies import DEFAULT
from geonb.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SENTENCES = " ".join(README.split())


def test_the_shares_in_the_readme_are_those_of_the_published_headline():
    published = json.loads((results.published_folder(DEFAULT) / "headline.json").read_text(encoding="utf-8"))
    for method in ("chance", "frozen_nearest", "clip", "sw_clip"):
        rows = [published[f"share_right_city.{split}.1000.{method}"] for split in ("other_drive", "blocked")]
        shares = [f"{row['value']:.0%} ({row['low']:.0%} to {row['high']:.0%})" for row in rows]
        assert f"(`{method}`) | {' | '.join(shares)} |" in README


def test_what_the_readme_says_of_guidance_is_so_in_the_published_tables():
    folder, page = "data/results/simulated_geoclip", "13_semivariogram_negatives"
    ratios, trained = (results.read_beside(folder, page, name) for name in ("ratios", "trained"))
    own = ratios[ratios.method == "geoclip_semivariogram"].set_index("split")
    bounds = {row.Index: f"{row.low:.2f} to {row.high:.2f}" for row in own.itertuples()}
    assert (
        "Guiding GeoCLIP's negatives by the semivariogram is not shown to change anything in one world: its errors are "
        f"multiplied by {bounds['other_drive']} in `other_drive` and by {bounds['blocked']} in `blocked`, and "
        "`unseen_city` has too few blocks for an interval (study `simulated_geoclip`, chapter 13)"
    ) in SENTENCES
    shown = own.loc[["other_drive", "blocked"]]
    assert ((shown.low < 1) & (shown.high > 1)).all()
    assert own.loc["unseen_city", ["low", "high"]].isna().all()
    assert trained.set_index("method").still_improving["geoclip_semivariogram"] == 0


def test_what_the_readme_says_of_countries_is_so_in_the_published_tables():
    folder, page = "data/results/simulated_world", "07_compare"
    named, ratios = (results.read_beside(folder, page, name) for name in ("administrative", "ratios"))
    country = named[named.level == "country"].set_index(["split", "method"]).share
    clip, chance = (
        [f"{country[split, name]:.0%}" for split in ("other_drive", "blocked")] for name in ("clip", "chance")
    )
    assert (
        "Among 36 cities on six continents (study `simulated_world`, chapter 07) CLIP finds the right country for "
        f"{clip[0]} of the photos of other drives and for {clip[1]} of those in held-out blocks, where a random place "
        f"would for {chance[0]} and {chance[1]}; no method is shown to do better."
    ) in SENTENCES
    options = results.parameters_beside(folder, page)["options"]
    assert (options["city_count"], options["continents"]) == (36, 6)
    assert not ((ratios.p_holm < 0.05) & (ratios.high < 1)).any()


def test_what_the_readme_calls_shown_is_shown_in_the_published_table():
    said = (
        "SW-CLIP places photos nearer than CLIP in `other_drive` and in `blocked` (study `simulated_full`, chapter 19)"
    )
    assert said in SENTENCES
    asked = results.parameters_beside("data/results/simulated_full", "19_sealed_worlds")
    assert (len(asked["worlds"]), asked["options"]["photos_per_city"]) == (5, 1000)
    ratios = results.read_beside("data/results/simulated_full", "19_sealed_worlds", "ratios")
    own = ratios[ratios.method == "sw_clip"].set_index("split")
    assert own.index[(own.p_holm < 0.05) & (own.high < 1)].tolist() == ["other_drive", "blocked"]


def test_what_the_readme_says_of_a_released_model_is_so_in_the_published_tables():
    page = "data/results/released_models", "21_released_encoder"
    cities, fairness = (results.read_beside(*page, name) for name in ("cities", "fairness"))
    apart = cities.set_index("city").apart_m / 1000
    africa = fairness[fairness.group == "Africa"].iloc[0]
    assert (
        f"tells two places apart from {apart.median():.1f} km on in the median of {len(cities):,} cities: from "
        f"{apart['London'].iloc[0]:.1f} km in London and {apart['New York City']:.1f} km in New York, from "
        f"{apart['Nairobi']:.1f} km in Nairobi."
    ) in SENTENCES
    assert f"In Africa the distance is {africa.ratio:.2f} times ({africa.low:.2f} to {africa.high:.2f})" in SENTENCES


def test_what_the_readme_says_of_new_york_is_so_in_the_published_tables():
    page = "data/results/old_new_york", "20_old_new_york"
    rows, pairs = (results.read_beside(*page, name) for name in ("rows", "pairs"))
    own = rows[(rows.split == "by_place") & (rows.metric == "geometric_mean_error_m")].set_index("row").value / 1000
    for row in ("sw_clip", "clip", "mode"):
        assert f"{own[row]:.1f} km (`{row}`)" in SENTENCES
    pair = pairs[pairs.split == "by_place"].set_index(["row", "other"])
    ratio = pair.loc[("sw_clip", "clip")]
    assert f"{ratio.ratio:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" in SENTENCES
    assert f"With the same weights permuted it is {own['permuted']:.1f} km." in SENTENCES
    assert f"a smoothed posterior reaches {own['frozen_smoothed']:.1f} km without any training" in SENTENCES
    assert pair.p_holm[("sw_clip", "mode")] > 0.05  # not shown to be worse
    assert f"{rows.n.max():,} old photos of New York's streets" in SENTENCES


def test_every_make_command_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", README)) <= targets


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
